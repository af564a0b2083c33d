"""The largest face of a picture, cut out: what detectors of swapped faces expect (kind `face`).

Faces are found by the house's own finder (extra `faces`); a picture without one is a row with its error.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from detect.bench.perturb.base import Rng, register
from detect.bench.perturb.pixels import open_rgb, save_jpeg, save_png

if TYPE_CHECKING:
    from detect.networks.face.detector import FaceDetector

_MARGIN = 1.3
"""Side of the cut over the larger side of the face's box: FaceForensics++ and those after it cut so (its section 4)."""


@functools.lru_cache(maxsize=1)
def load_finder() -> FaceDetector:
    """Return the finder of faces, loaded once."""
    from detect.networks.face.detector import load_detector

    return load_detector()


def cut_face(picture: Image.Image) -> Image.Image:
    """Return a square around the largest face, at native resolution, moved inside the picture.

    Raises:
        ValueError: No face.
    """
    faces = load_finder().find(np.asarray(picture))
    if not faces:
        raise ValueError("no face was found")
    x, y, width, height = faces[0].box
    side = min(round(max(width, height) * _MARGIN), picture.width, picture.height)
    left = min(max(0, round(x + width / 2 - side / 2)), picture.width - side)
    top = min(max(0, round(y + height / 2 - side / 2)), picture.height - side)
    return picture.crop((left, top, left + side, top + side))


@register("face", media="image", version=1, about="The largest face with 30 % margin, native resolution, PNG.")
def face(file: Path, stem: Path, rng: Rng) -> Path:
    """Cut the face out."""
    return save_png(cut_face(open_rgb(file)), stem)


@register("face-laundered", media="image", version=1, about="The largest face with 30 % margin, JPEG 40-60.")
def laundered_face(file: Path, stem: Path, rng: Rng) -> Path:
    """Cut the face out and compress it hard."""
    return save_jpeg(cut_face(open_rgb(file)), stem, quality=int(rng.integers(40, 61)))

"""Cut pairs of pictures: a photograph, and the same photograph after a swap, as projects and papers show them.

They come from programs of which no clip before and after a swap is public. The two may be parts of one figure, or one
may be larger; both are brought to the smaller one's size, so that enlarging tells nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from detect.networks.face.detector import Face, FaceDetector
from detect.training.face.store import LEAST_FACE, ClipRow, difference, store_crop

CHANGED = 3.0
"""Mean absolute difference in grey levels inside the box above which a face counts as swapped: good programs change
little, and these pictures were chosen by eye."""

OFF_CENTRE = 0.4
"""How far the middle of a found face may lie from the listed one, in units of the face."""


def cut_pair(row: ClipRow, folder: Path, detector: FaceDetector) -> Iterator[dict[str, Any]]:
    """Store both halves of the most changed face of a pair of pictures, or nothing when none changed enough.

    Raises:
        OSError: A picture is missing or cannot be read.
        ValueError: The row names no second picture.
    """
    if row.swapped_file is None:
        raise ValueError("layout pair needs a swapped_file")
    real, fake = _open(row.file, row.crop), _open(row.swapped_file, row.swapped_crop)
    smaller = min((real, fake), key=lambda picture: picture.width * picture.height).size
    shrunk = smaller[0] / real.width
    halves = {
        label: np.asarray(picture.resize(smaller, Image.Resampling.LANCZOS) if picture.size != smaller else picture)
        for label, picture in (("real", real), ("fake", fake))
    }
    found = [
        (difference(halves["real"], halves["fake"], face), face)
        for face in detector.find(halves["real"])
        if face.side >= LEAST_FACE and _is_listed(face, row, shrunk)
    ]
    change, face = max(found, key=lambda each: each[0], default=(0.0, None))
    if face is None or change < CHANGED:
        return
    pair = f"{row.origin}_{row.stem}"
    for label, pixels in halves.items():
        yield store_crop(pixels, face, folder, f"{pair}_{label}", label, row, pair)


def _open(file: Path, crop: tuple[float, ...]) -> Image.Image:
    with Image.open(file) as picture:
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    left, top, right, bottom = crop or (0, 0, *upright.size)
    return upright.crop((round(left), round(top), round(right), round(bottom)))


def _is_listed(face: Face, row: ClipRow, shrunk: float) -> bool:
    """Is this the face that the row names? Its box is in pixels of the uncut first picture."""
    if not row.face:
        return True
    left, top = row.crop[:2] if row.crop else (0.0, 0.0)
    x, y, width, height = row.face
    listed = ((x + width / 2 - left) * shrunk, (y + height / 2 - top) * shrunk)
    middle = (face.box[0] + face.box[2] / 2, face.box[1] + face.box[3] / 2)
    return all(abs(own - other) <= OFF_CENTRE * face.side for own, other in zip(middle, listed, strict=True))

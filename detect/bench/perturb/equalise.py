"""The two protocols of the main tables: both labels pass the same lottery of size and compression.

Why: in the data, and in most published sets, generated pictures are square PNGs and real ones are JPEGs; a detector
that reads the container gets 0.91 AUC on the raw files (docs/bench.md). After these protocols a file's size, format and
quality say next to nothing about its label; what is left is shown by the trivial-feature baseline beside each table.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from detect.bench.perturb.base import Rng, register
from detect.bench.perturb.pixels import fit_short_side, open_rgb, random_crop, save_jpeg, save_webp

_CLEAN_SIDES = (256, 320, 384)
_ASPECTS = (1.0, 4 / 3, 3 / 4, 3 / 2, 2 / 3)


@register(
    "clean",
    media="image",
    version=1,
    about="Native-resolution crop, each side drawn from 256/320/384 px (capped by the picture), no resampling; "
    "re-encoded as JPEG 80-98 (4:4:4 or 4:2:0, 70 %) or WebP 80-98 (30 %).",
)
def clean(file: Path, stem: Path, rng: Rng) -> Path:
    """Crop and re-encode: the format-equalised protocol without loss that a viewer would notice."""
    width, height = int(rng.choice(_CLEAN_SIDES)), int(rng.choice(_CLEAN_SIDES))
    picture = random_crop(open_rgb(file), rng, width=width, height=height)
    return _encode(picture, stem, rng, low=80, high=98, webp_share=0.3)


@register(
    "laundered",
    media="image",
    version=1,
    about="Crop to an aspect drawn from 1:1, 4:3, 3:4, 3:2, 2:3 (as large as fits), short side scaled down to at most "
    "320-512 px, JPEG 40-60 4:2:0: a picture that went through a messenger.",
)
def laundered(file: Path, stem: Path, rng: Rng) -> Path:
    """Scale down and compress hard, both labels alike."""
    picture = _crop_aspect(open_rgb(file), rng, aspect=float(rng.choice(_ASPECTS)))
    picture = fit_short_side(picture, int(rng.integers(320, 513)))
    return save_jpeg(picture, stem, quality=int(rng.integers(40, 61)))


def _crop_aspect(picture: Image.Image, rng: Rng, *, aspect: float) -> Image.Image:
    """Return the largest crop of that width:height at a random place."""
    width = min(picture.width, max(1, round(picture.height * aspect)))
    height = min(picture.height, max(1, round(width / aspect)))
    return random_crop(picture, rng, width=width, height=height)


def _encode(picture: Image.Image, stem: Path, rng: Rng, *, low: int, high: int, webp_share: float) -> Path:
    quality = int(rng.integers(low, high + 1))
    if rng.random() < webp_share:
        return save_webp(picture, stem, quality=quality)
    return save_jpeg(picture, stem, quality=quality, subsampling=str(rng.choice(["4:4:4", "4:2:0"])))

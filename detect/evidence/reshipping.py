"""A fixed small set of re-shippings: does the answer survive what messengers and sites do to a picture?

Users' first complaint about detectors is that the same picture flips from 0.0 to 0.99 after a thumbnail or a re-save
(peers.md, section 3, row 1). An answer that does is not given.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image

from detect.evidence.image import ImageExaminer
from detect.types import UInt8Array

RESHIP_PATCHES = 4
"""Patches scored per re-shipped copy: the question is whether the answer flips, not its third digit."""
_WINDOW = 512
"""Only the central window of this many pixels is re-shipped: its four patches cover it, and cost does not grow with the
picture."""


def _jpeg(picture: Image.Image) -> Image.Image:
    return _encode(picture, "JPEG", quality=60)


def _webp(picture: Image.Image) -> Image.Image:
    return _encode(picture, "WEBP", quality=70, method=1)


def _resized(picture: Image.Image) -> Image.Image:
    size = (max(64, round(picture.width * 0.7)), max(64, round(picture.height * 0.7)))
    return _encode(picture.resize(size, Image.Resampling.BICUBIC), "JPEG", quality=85)


def _encode(picture: Image.Image, codec: str, **options: int) -> Image.Image:
    sink = io.BytesIO()
    picture.save(sink, codec, **options)
    return Image.open(io.BytesIO(sink.getvalue())).convert("RGB")


RESHIPPINGS: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "jpeg_60": _jpeg,
    "webp_70": _webp,
    "resize_70_percent": _resized,
}


def reshipped_llrs(examiner: ImageExaminer, pixels_rgb: UInt8Array) -> dict[str, float]:
    """Return the calibrated llr of `image.pixels` under each re-shipping of a picture, (H, W, 3) uint8."""
    height, width = pixels_rgb.shape[:2]
    top, left = max(0, (height - _WINDOW) // 2), max(0, (width - _WINDOW) // 2)
    window = Image.fromarray(np.ascontiguousarray(pixels_rgb[top : top + _WINDOW, left : left + _WINDOW]))
    copies = [np.asarray(ship(window)) for ship in RESHIPPINGS.values()]
    results = examiner.score(copies, max_patches=RESHIP_PATCHES)
    return {name: examiner.llr(result.logit) for name, result in zip(RESHIPPINGS, results, strict=True)}

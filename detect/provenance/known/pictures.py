"""PDQ, the perceptual hash of 256 bits that platforms exchange (Meta, ThreatExchange), through the package pdqhash."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detect.errors import MissingExtraError
from detect.types import UInt8Array

MAX_SIDE = 512
"""Pictures are shrunk to this first: a 12-megapixel one takes 3.6 s at full size, 28 ms at this one."""

MIN_QUALITY = 50
"""PDQ's own measure of detail, 0-100; below it flat pictures collide (recommended by its authors)."""

MAX_DISTANCE = 31
"""Differing bits of 256 at which two pictures count as the same (recommended by its authors)."""


@dataclass(frozen=True)
class PictureHash:
    """32 bytes of PDQ and its quality; `time_s` for frames of a clip."""

    bits: bytes
    quality: int
    time_s: float | None = None

    @property
    def is_usable(self) -> bool:
        """Whether the picture has enough detail to be told from others."""
        return self.quality >= MIN_QUALITY


def hash_picture(pixels_rgb: UInt8Array, *, time_s: float | None = None) -> PictureHash:
    """Return the hash of (H, W, 3) uint8 pixels.

    Raises:
        MissingExtraError: The extra `known` is not installed.
    """
    try:
        import pdqhash
    except ImportError as error:
        raise MissingExtraError("perceptual hashes need the extra: pip install 'witnessmark[known]'") from error
    bits, quality = pdqhash.compute(_shrink(pixels_rgb))
    return PictureHash(np.packbits(np.asarray(bits, dtype=np.uint8)).tobytes(), int(quality), time_s)


def distances(query: bytes, stored: UInt8Array) -> UInt8Array:
    """Return the differing bits, shape (N,), between one hash and (N, 32) stored bytes."""
    different = np.bitwise_xor(stored, np.frombuffer(query, dtype=np.uint8)[None])
    return np.asarray(np.unpackbits(different, axis=1).sum(axis=1))


def _shrink(pixels_rgb: UInt8Array) -> UInt8Array:
    from PIL import Image

    height, width = pixels_rgb.shape[:2]
    scale = MAX_SIDE / max(height, width)
    if scale >= 1:
        return np.ascontiguousarray(pixels_rgb)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(pixels_rgb).resize(size, Image.Resampling.BOX))

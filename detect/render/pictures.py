"""Pictures for pages: shrunk, encoded again from pixels, and held in the page itself as data URIs."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from detect.types import UInt8Array

_JPEG_QUALITY = 82


def shrink(pixels_rgb: UInt8Array, *, max_side: int) -> UInt8Array:
    """Return the picture with its longer side at most `max_side` pixels; smaller ones are returned as they are."""
    height, width = pixels_rgb.shape[:2]
    if max(height, width) <= max_side:
        return pixels_rgb
    factor = max_side / max(height, width)
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    return np.asarray(Image.fromarray(pixels_rgb).resize(size, Image.Resampling.LANCZOS))


def jpeg_uri(pixels_rgb: UInt8Array) -> str:
    """Return (H, W, 3) uint8 pixels as a JPEG data URI; nothing of the original file's bytes survives."""
    sink = io.BytesIO()
    Image.fromarray(pixels_rgb).save(sink, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return data_uri(sink.getvalue(), mime="image/jpeg")


def png_uri(pixels_rgba: UInt8Array) -> str:
    """Return (H, W, 4) uint8 pixels as a PNG data URI."""
    sink = io.BytesIO()
    Image.fromarray(pixels_rgba).save(sink, "PNG", optimize=True)
    return data_uri(sink.getvalue(), mime="image/png")


def data_uri(content: bytes, *, mime: str) -> str:
    """Return bytes as a base64 data URI."""
    return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}"

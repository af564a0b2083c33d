"""What all hostile-file tests share: honest pictures to come back to, and a sandbox for functions that misbehave."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from detect.media import Limits, decode_image, open_source
from detect.media.limits import DEFAULT_LIMITS
from detect.media.sandbox import Sandbox

pillow_heif.register_heif_opener()

FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    "jpeg": ("JPEG", {"quality": 85}),
    "progressive": ("JPEG", {"quality": 85, "progressive": True}),
    "png": ("PNG", {}),
    "webp": ("WEBP", {"quality": 80}),
    "webp-lossless": ("WEBP", {"lossless": True}),
    "avif": ("AVIF", {"quality": 70}),
    "heic": ("HEIF", {"quality": 70}),
    "tiff": ("TIFF", {}),
    "tiff-lzw": ("TIFF", {"compression": "tiff_lzw"}),
    "bmp": ("BMP", {}),
    "gif": ("GIF", {}),
}


@pytest.fixture(scope="session")
def honest() -> dict[str, bytes]:
    """One honest 96 x 72 picture in every format."""
    noise = np.random.default_rng(0).integers(0, 255, (9, 12, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize((96, 72), Image.Resampling.BICUBIC)
    found = {}
    for name, (file_format, options) in FORMATS.items():
        buffer = io.BytesIO()
        picture.save(buffer, file_format, **options)
        found[name] = buffer.getvalue()
    return found


@pytest.fixture
def decode() -> Callable[..., np.ndarray]:
    """Open and decode as the product does; return the pixels."""

    def decode(file: Any, limits: Limits = DEFAULT_LIMITS, name: str | None = None) -> np.ndarray:
        with open_source(file, name=name, limits=limits) as source:
            return decode_image(source, limits=limits).pixels_rgb

    return decode


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A pool that may also run `misbehaviour`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent / "guarded"))
        with Sandbox(packages=("misbehaviour", "detect.media")) as pool:
            yield pool

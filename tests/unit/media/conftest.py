"""Pictures that the tests make themselves, and a sandbox that may run the tests' own functions."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from detect.media import decode_image, open_source
from detect.media.sandbox import Sandbox
from detect.types import DecodedImage

pillow_heif.register_heif_opener()


@pytest.fixture
def scene() -> Image.Image:
    """A smooth 96 x 64 picture without any symmetry, so that a wrong turn or swapped channel shows."""
    y, x = np.mgrid[0:64, 0:96]
    return Image.fromarray(np.stack([x * 2, y * 3, x + y], -1).astype(np.uint8))


@pytest.fixture
def encode() -> Callable[..., bytes]:
    """Return a picture as the bytes of a file."""

    def encode(picture: Image.Image, file_format: str, **options: Any) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, file_format, **options)
        return buffer.getvalue()

    return encode


@pytest.fixture
def decode() -> Callable[..., DecodedImage]:
    """Decode bytes as a user's file would be."""

    def decode(content: bytes, **options: Any) -> DecodedImage:
        with open_source(content) as source:
            return decode_image(source, **options)

    return decode


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A pool that may also run `well_behaved`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent / "guarded"))
        with Sandbox(packages=("well_behaved", "detect.media"), max_idle=2) as pool:
            yield pool

"""A picture's bytes to upright sRGB pixels, decoded in a guarded child process."""

from __future__ import annotations

import os
from dataclasses import replace

from detect.errors import UnsupportedMediaError
from detect.media.limits import DEFAULT_LIMITS, Limits
from detect.media.sandbox import SANDBOX
from detect.media.source import MediaSource
from detect.types import DecodedImage, MediaKind, Reason

DECODER = "detect.media.pixels:decode"
"""What runs in the child; `SANDBOX.warm(DECODER)` starts one early."""


def decode_image(source: MediaSource, *, limits: Limits = DEFAULT_LIMITS) -> DecodedImage:
    """Return the first (or main) picture of a file as 8-bit sRGB, upright, without alpha.

    Every conversion that changes what is seen is a note in `facts.notes`: `first_frame_only`, `first_page_only`,
    `main_picture_only`, `turned_upright`, `icc_to_srgb`, `icc_ignored`, `converted_from_cmyk`,
    `converted_from_palette`, `alpha_flattened`, `reduced_to_8_bit`, `rescaled_to_8_bit`, `exif_unreadable`,
    `extension_mismatch`.

    Args:
        source: An open source of kind `image`.
        limits: Pixels, seconds and memory.

    Raises:
        UnsupportedMediaError: Not a picture, or a camera raw file.
        CorruptMediaError: The bytes do not decode to the end, or crash the decoder.
        MediaTooLargeError: Over `max_pixels`, `max_side` or `max_memory_bytes`.
        DecodeTimeoutError: Over `decode_timeout_s` or `decode_cpu_s`.

    Example:
        >>> with open_source("photo.jpg") as source:              # doctest: +SKIP
        ...     decode_image(source).pixels_rgb.shape
        (1080, 1920, 3)
    """
    if source.kind is not MediaKind.IMAGE:
        raise UnsupportedMediaError(f"{source.name} is {source.format}, not a picture")
    arguments = {
        "path": os.fspath(source.path),
        "media_format": source.format,
        "max_pixels": limits.max_pixels,
        "max_side": limits.max_side,
    }
    payload = SANDBOX.call(DECODER, arguments, limits=limits)
    pixels = payload.arrays["pixels_rgb"]
    height, width = pixels.shape[:2]
    facts = replace(
        source.facts(),
        width=width,
        height=height,
        notes=(*source.notes, *(Reason(str(code), str(text)) for code, text in payload.facts["notes"])),
    )
    return DecodedImage(pixels_rgb=pixels, facts=facts)

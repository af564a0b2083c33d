"""How much one file may cost: bytes, pixels, seconds and memory, each with its own error."""

from __future__ import annotations

from dataclasses import dataclass, fields

from detect.errors import ConfigError

MIB = 1024 * 1024
GIB = 1024 * MIB


@dataclass(frozen=True)
class Limits:
    """What one file may cost at most; every knob has a unit and must be above 0.

        Limits()                           # the defaults below
        Limits(max_pixels=25_000_000)      # a service that takes phone pictures only

    Attributes:
        max_bytes: Size of any file; over it, `MediaTooLargeError` before the file is read.
        max_image_bytes: Size of a picture; no camera file comes near 200 MB.
        max_pixels: Width times height of a picture, taken from its header, before memory is spent. 100 megapixels
            cover medium-format cameras and the 108 MP modes of phones that store less.
        max_side: Longest side in pixels; 65 535 is what JPEG itself can say.
        decode_timeout_s: Seconds of wall clock for one call into the guarded child; then the child is killed.
        decode_cpu_s: Seconds of processor time for one call: on a busy machine a slow but honest decode ends by
            `decode_timeout_s`, a decoder that spins ends here.
        max_memory_bytes: Address space of the guarded child, always more than what is resident. 100 megapixels of JPEG
            or PNG need 0.9 GB; WebP, whose reader keeps several canvases, reaches this limit near 70 megapixels.
    """

    max_bytes: int = 2 * GIB
    max_image_bytes: int = 200 * MIB
    max_pixels: int = 100_000_000
    max_side: int = 65_535
    decode_timeout_s: float = 20.0
    decode_cpu_s: float = 10.0
    max_memory_bytes: int = 1536 * MIB

    def __post_init__(self) -> None:
        for knob in fields(self):
            value = getattr(self, knob.name)
            if not value > 0:
                raise ConfigError(f"Limits.{knob.name} must be above 0, not {value!r}")


DEFAULT_LIMITS = Limits()
"""What applies where the caller says nothing."""

"""Evidence source `watermark.stealth`: generation parameters hidden in the lowest bits of alpha or RGB.

Stable Diffusion web UIs and NovelAI write a signature, a length and the parameters bit by bit, column by column.
Four signatures exist; the look at the first column costs a millisecond, the payload is read only when one is there.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from detect.provenance.metadata import png
from detect.provenance.metadata.fields import Fields, make_field
from detect.provenance.metadata.generators import find_generator_marks
from detect.provenance.text import clean
from detect.provenance.watermark.weights import MARK_LLR
from detect.types import Evidence, Reason, Status, UInt8Array

SOURCE = "watermark.stealth"
FORMATS = frozenset({"png", "apng", "webp"})
"""Only lossless pictures keep their lowest bits."""

MAX_PIXELS = 64_000_000
MAX_WEBP_PIXELS = 4_000_000
MAX_PAYLOAD_BYTES = 8 * 2**20

_SIGNATURE_BYTES = 15
_ALPHA_SIGNATURES = (b"stealth_pnginfo", b"stealth_pngcomp")
_RGB_SIGNATURES = (b"stealth_rgbinfo", b"stealth_rgbcomp")
_HEADER_BITS = (_SIGNATURE_BYTES + 4) * 8


def examine_stealth(path: Path, *, format: str) -> Evidence:
    """Look for hidden generation parameters in a PNG or a lossless WebP.

    Raises:
        OSError: The path cannot be opened.
    """
    with path.open("rb") as stream:
        hidden = _read_hidden(stream, format)
    if hidden is None:
        reason = Reason("no_stealth_text", "No generation parameters hidden in the lowest bits.")
        return Evidence(SOURCE, Status.NOT_APPLICABLE, reasons=(reason,))
    signature, payload = hidden
    field = make_field("stealth", "parameters", payload)
    marks = list(find_generator_marks(Fields((field,)))) if field else []
    text = "Generation parameters are hidden in the lowest bits of the picture."
    return Evidence(
        SOURCE,
        Status.SCORED,
        llr=MARK_LLR,
        reasons=(Reason("watermark_ai", text), Reason("stealth_text", text)),
        details={
            "scheme": signature.decode("ascii"),
            "text": clean(payload, max_characters=1000),
            "tools": [mark.tool for mark in marks],
        },
    )


def read_pixels(pixels: UInt8Array) -> tuple[bytes, bytes] | None:
    """Return (signature, payload) hidden in (H, W, 3 or 4) uint8 pixels, or None.

    The bits run down the columns; in the RGB variant red, green and blue of a pixel follow one another.
    """
    if pixels.shape[2] == 4:
        found = _read_bits(_lowest_bits(pixels[..., 3].T), _ALPHA_SIGNATURES)
        if found is not None:
            return found
    return _read_bits(_lowest_bits(pixels[..., :3].transpose(1, 0, 2)), _RGB_SIGNATURES)


def _lowest_bits(samples: UInt8Array) -> UInt8Array:
    return np.bitwise_and(samples, np.uint8(1)).ravel()


def _read_hidden(stream: BinaryIO, format: str) -> tuple[bytes, bytes] | None:
    if format == "webp":
        stream.seek(0)
        # A lossless picture has a VP8L chunk, at the start or after the short chunks of an extended file.
        if b"VP8L" not in stream.read(4096):
            return None
        return _decode(stream, MAX_WEBP_PIXELS)
    if not _may_hold(stream):
        return None
    return _decode(stream, MAX_PIXELS)


def _may_hold(stream: BinaryIO) -> bool:
    """Say whether the first column starts with a signature; low pictures are decoded to see."""
    rows = _SIGNATURE_BYTES * 8
    found = png.first_column(stream, rows)
    if found is None:
        return False
    header, column = found
    if header.height < rows:
        return header.width * header.height <= MAX_WEBP_PIXELS
    samples = np.array(column, dtype=np.uint8) & 1
    starts = [np.packbits(samples[:, :3].ravel()[:rows]).tobytes()]
    if samples.shape[1] == 4:
        starts.append(np.packbits(samples[:, 3]).tobytes())
    return any(start in (*_ALPHA_SIGNATURES, *_RGB_SIGNATURES) for start in starts)


def _decode(stream: BinaryIO, max_pixels: int) -> tuple[bytes, bytes] | None:
    from PIL.PngImagePlugin import PngImageFile
    from PIL.WebPImagePlugin import WebPImageFile

    stream.seek(0)
    plugin = PngImageFile if stream.read(8) == png.SIGNATURE else WebPImageFile
    stream.seek(0)
    picture = plugin(stream)
    if picture.width * picture.height > max_pixels or picture.mode not in ("RGB", "RGBA"):
        return None
    return read_pixels(np.asarray(picture))


def _read_bits(bits: UInt8Array, signatures: tuple[bytes, ...]) -> tuple[bytes, bytes] | None:
    head = np.packbits(bits[:_HEADER_BITS]).tobytes()
    signature = head[:_SIGNATURE_BYTES]
    if len(head) < _SIGNATURE_BYTES + 4 or signature not in signatures:
        return None
    (length,) = struct.unpack(">I", head[_SIGNATURE_BYTES : _SIGNATURE_BYTES + 4])
    if length > MAX_PAYLOAD_BYTES * 8 or _HEADER_BITS + length > len(bits):
        return None
    payload = np.packbits(bits[_HEADER_BITS : _HEADER_BITS + length]).tobytes()
    if signature.endswith(b"comp"):
        try:
            payload = zlib.decompressobj(wbits=31).decompress(payload, MAX_PAYLOAD_BYTES)
        except zlib.error:
            return None
    return signature, payload

"""PNG text chunks and the first pixels, without decoding the picture.

Why not Pillow alone: text after the pixel data is only seen after a full decode, and the first column is needed for
hidden text (`stealth`). Both are a walk over chunk headers here, with caps on what is inflated.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_CHUNK_BYTES = 8 * 2**20
MAX_CHUNKS = 100_000
_TEXT_TYPES = frozenset({b"tEXt", b"zTXt", b"iTXt", b"eXIf"})


@dataclass(frozen=True)
class Header:
    """The fields of IHDR that are needed here."""

    width: int
    height: int
    bit_depth: int
    color_type: int
    interlace: int


def read_text_chunks(stream: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Yield (keyword, value) of every text chunk, before and after the pixels; EXIF under the keyword `eXIf`."""
    for kind, data in _chunks(stream, _TEXT_TYPES):
        if kind == b"eXIf":
            yield "eXIf", data
            continue
        keyword, found, rest = data.partition(b"\x00")
        if not found:
            continue
        name = keyword.decode("latin-1")
        if kind == b"tEXt":
            yield name, _latin_or_utf8(rest)
        elif kind == b"zTXt":
            yield name, _latin_or_utf8(inflate(rest[1:]))
        else:
            yield name, _international(rest)


def first_column(stream: BinaryIO, rows: int) -> tuple[Header, list[tuple[int, ...]]] | None:
    """Return the samples of column 0 in the first rows, or None for pictures that cannot hide text in 8-bit RGB(A).

    Only column 0 is unfiltered: its left neighbour is 0 by definition, so each PNG filter needs nothing but the value
    above. That makes the look at a large picture a matter of milliseconds.
    """
    header: Header | None = None
    inflater = zlib.decompressobj()
    raw = bytearray()
    needed = 0
    for kind, data in _chunks(stream, frozenset({b"IHDR", b"IDAT"})):
        if kind == b"IHDR" and len(data) >= 13:
            header = Header(*struct.unpack(">IIBBxxB", data[:13]))
            if header.bit_depth != 8 or header.color_type not in (2, 6) or header.interlace or not header.width:
                return None
            needed = min(rows, header.height) * (1 + header.width * _samples(header))
            if needed > 2 * MAX_CHUNK_BYTES:
                return None
        elif kind == b"IDAT" and header is not None:
            try:
                raw += inflater.decompress(data, needed - len(raw))
            except zlib.error:
                return None
            if len(raw) >= needed:
                break
    if header is None or len(raw) < needed:
        return None
    return header, _unfilter_column(bytes(raw), header, min(rows, header.height))


def _samples(header: Header) -> int:
    return 4 if header.color_type == 6 else 3


def _unfilter_column(raw: bytes, header: Header, rows: int) -> list[tuple[int, ...]]:
    samples = _samples(header)
    stride = 1 + header.width * samples
    above = (0,) * samples
    column: list[tuple[int, ...]] = []
    for row in range(rows):
        start = row * stride
        method, values = raw[start], raw[start + 1 : start + 1 + samples]
        if method in (2, 4):  # Up, and Paeth without a left neighbour
            above = tuple((value + over) & 0xFF for value, over in zip(values, above, strict=True))
        elif method == 3:  # Average of the value above and 0
            above = tuple((value + over // 2) & 0xFF for value, over in zip(values, above, strict=True))
        else:
            above = tuple(values)
        column.append(above)
    return column


def _chunks(stream: BinaryIO, wanted: frozenset[bytes]) -> Iterator[tuple[bytes, bytes]]:
    stream.seek(0)
    if stream.read(8) != SIGNATURE:
        return
    for _ in range(MAX_CHUNKS):
        head = stream.read(8)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head)
        if kind == b"IEND":
            return
        if kind in wanted and length <= MAX_CHUNK_BYTES:
            yield kind, stream.read(length)
            stream.seek(4, 1)
        else:
            stream.seek(length + 4, 1)


def inflate(data: bytes, limit: int = MAX_CHUNK_BYTES) -> bytes:
    """Return at most `limit` bytes of inflated data; what is broken ends it early."""
    try:
        return zlib.decompressobj().decompress(data, limit)
    except zlib.error:
        return b""


def _international(rest: bytes) -> bytes:
    """Return the text of an iTXt chunk: compression flag and method, language, translated keyword, text."""
    if len(rest) < 2:
        return b""
    is_compressed = rest[0] == 1
    _, _, after_language = rest[2:].partition(b"\x00")
    _, _, text = after_language.partition(b"\x00")
    return inflate(text) if is_compressed else text


def _latin_or_utf8(data: bytes) -> bytes:
    """Return UTF-8: the standard says Latin-1, but most generators write UTF-8."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1").encode()
    return data

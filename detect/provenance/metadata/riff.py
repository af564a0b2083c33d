"""RIFF chunks (WebP, WAV, AVI): EXIF and XMP chunks and LIST-INFO texts, by walking the chunk headers."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

MAX_CHUNK_BYTES = 8 * 2**20
MAX_CHUNKS = 10_000

INFO_NAMES = {
    "ICMT": "comment",
    "ISFT": "software",
    "INAM": "title",
    "IART": "artist",
    "ICOP": "copyright",
    "IENG": "engineer",
    "IKEY": "keywords",
    "ISRC": "source",
}
_WANTED = frozenset({b"EXIF", b"XMP ", b"_PMX", b"LIST", b"bext", b"C2PA", b"id3 ", b"ID3 "})


def read_chunks(stream: BinaryIO) -> Iterator[tuple[str, str, bytes]]:
    """Yield (kind, name, data): kind is `exif`, `xmp`, `info`, `bext` or `c2pa`; name is set for `info` only."""
    stream.seek(0)
    head = stream.read(12)
    if len(head) < 12 or head[:4] not in (b"RIFF", b"RF64"):
        return
    for _ in range(MAX_CHUNKS):
        start = stream.read(8)
        if len(start) < 8:
            return
        kind, length = struct.unpack("<4sI", start)
        if kind not in _WANTED or length > MAX_CHUNK_BYTES:
            stream.seek(length + (length & 1), 1)
            continue
        data = stream.read(length)
        stream.seek(length & 1, 1)
        if kind == b"LIST":
            yield from _info(data)
        elif kind in (b"XMP ", b"_PMX"):
            yield "xmp", "", data
        else:
            yield kind.strip().decode("latin-1").lower(), "", data


def _info(data: bytes) -> Iterator[tuple[str, str, bytes]]:
    if data[:4] != b"INFO":
        return
    position = 4
    while position + 8 <= len(data):
        kind, length = struct.unpack("<4sI", data[position : position + 8])
        name = kind.decode("latin-1")
        yield "info", INFO_NAMES.get(name, name), data[position + 8 : position + 8 + length].rstrip(b"\x00")
        position += 8 + length + (length & 1)

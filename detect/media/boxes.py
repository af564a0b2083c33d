"""The box structure of ISO base media files (MP4, MOV, HEIC, AVIF): brands and track kinds, ISO/IEC 14496-12."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

ReadAt = Callable[[int, int], bytes]

MAX_BOXES = 2000
"""Boxes looked at before giving up; fragmented recordings have thousands, but their tracks stand in front."""

BRANDS: Mapping[bytes, str] = MappingProxyType(
    {
        b"avif": "avif", b"avis": "avif",
        b"heic": "heic", b"heix": "heic", b"heim": "heic", b"heis": "heic", b"hevc": "heic", b"hevx": "heic",
        b"hevm": "heic", b"hevs": "heic", b"mif1": "heif", b"mif2": "heif", b"msf1": "heif",
        b"qt  ": "mov", b"M4A ": "m4a", b"M4B ": "m4a", b"M4P ": "m4a", b"F4A ": "m4a",
        b"3gp4": "3gp", b"3gp5": "3gp", b"3gp6": "3gp", b"3gp7": "3gp", b"3g2a": "3gp", b"3g2b": "3gp",
        b"isom": "mp4", b"iso2": "mp4", b"iso4": "mp4", b"iso5": "mp4", b"iso6": "mp4", b"mp41": "mp4",
        b"mp42": "mp4", b"avc1": "mp4", b"dash": "mp4", b"M4V ": "mp4", b"MSNV": "mp4", b"F4V ": "mp4",
        b"crx ": "raw", b"jxl ": "jxl", b"jp2 ": "jp2",
    }
)  # fmt: skip
"""Brand to format name."""

_GENERIC = frozenset({b"mif1", b"mif2", b"msf1"})


def major_brands(head: bytes) -> Iterator[bytes]:
    """Yield the brands of `ftyp`, most telling first; nothing when the head has no `ftyp`.

    `mif1` says only "a picture of some codec", so the compatible brands go before it.
    """
    if head[4:8] != b"ftyp" or len(head) < 12:
        return
    length = min(int.from_bytes(head[:4], "big"), 4096, len(head))
    major = head[8:12]
    compatible = [head[at : at + 4] for at in range(16, length - 3, 4)]
    if major in _GENERIC:
        pictures = ("avif", "heic")
        yield from (brand for brand in compatible if BRANDS.get(brand) in pictures)
    yield major
    yield from compatible


def has_video_track(read_at: ReadAt, size: int) -> bool | None:
    """Tell whether the movie has a picture track; None when no track list is found (cut short, or damaged)."""
    budget = [MAX_BOXES]
    for name, start, end in _boxes(read_at, 0, size, budget):
        if name == b"moov":
            kinds = [
                kind
                for trak, trak_start, trak_end in _boxes(read_at, start, end, budget)
                if trak == b"trak"
                for kind in _handlers(read_at, trak_start, trak_end, budget)
            ]
            return b"vide" in kinds if kinds else None
    return None


def _handlers(read_at: ReadAt, start: int, end: int, budget: list[int]) -> Iterator[bytes]:
    """Yield the handler type (`vide`, `soun`, ...) of one track."""
    for name, media_start, media_end in _boxes(read_at, start, end, budget):
        if name == b"mdia":
            for inner, inner_start, inner_end in _boxes(read_at, media_start, media_end, budget):
                if inner == b"hdlr" and inner_end - inner_start >= 12:
                    yield read_at(inner_start + 8, 4)


def _boxes(read_at: ReadAt, start: int, end: int, budget: list[int]) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, start of content, end) of the boxes in a range; stops at the first that does not fit."""
    at = start
    while at + 8 <= end and budget[0] > 0:
        budget[0] -= 1
        header = read_at(at, 16)
        if len(header) < 8:
            return
        length, content = int.from_bytes(header[:4], "big"), at + 8
        if length == 1:
            length, content = int.from_bytes(header[8:16], "big"), at + 16
        elif length == 0:
            length = end - at
        if length < content - at:
            return
        yield header[4:8], content, min(at + length, end)
        at += length

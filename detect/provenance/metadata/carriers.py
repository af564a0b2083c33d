"""Every place of a file where an unsigned mark can stand, gathered into fields.

Each reader is asked for the formats it knows; one that fails is named in `Fields.failed` and the others go on. Loose
XMP packets are searched in the raw bytes of every format, because some tools append them far behind the header.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from detect.provenance.metadata import png, riff, xmp
from detect.provenance.metadata.exif import fields_of_tags, read_exif
from detect.provenance.metadata.fields import Field, Fields, bounded, make_field
from detect.types import MediaKind

_log = logging.getLogger(__name__)

_XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\x00"
_XMP_EXTENSION_PREFIX = b"http://ns.adobe.com/xmp/extension/\x00"
_EXTENSION_HEADER = 32 + 4 + 4  # digest, full length, offset
_IPTC_NAMES = {(2, 5): "Title", (2, 80): "By-line", (2, 110): "Credit", (2, 115): "Source", (2, 120): "Caption"}
_TIFF_XMP, _TIFF_COMMENT = 700, 270

_MUTAGEN_FORMATS = frozenset({"mp3", "flac", "wav", "m4a", "ogg", "opus", "aiff", "aac", "mp4", "mov", "m4v"})
_CONTAINER_FORMATS = frozenset({"mp4", "mov", "m4v", "mkv", "webm", "matroska", "avi", "flv", "m4a"})
_DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv"
_RIFF_FORMATS = frozenset({"webp", "wav", "avi"})

Reader = Callable[[BinaryIO], Iterable[Field | None]]


def collect_fields(path: Path, *, kind: MediaKind, format: str, max_scan_bytes: int) -> Fields:
    """Return all fields of the file.

    Raises:
        OSError: The path cannot be opened.
    """
    found: list[Field] = []
    failed: list[str] = []
    with path.open("rb") as stream:
        head, tail = _ends(stream, max_scan_bytes)
        for name, reader in _readers(format.lower(), kind):
            stream.seek(0)
            try:
                found.extend(bounded(reader(stream)))
            except Exception as error:  # a parser broke on this file: say so, and go on with the others
                _log.info("metadata reader %s failed: %s", name, type(error).__name__)
                failed.append(name)
    known = {item.value for item in found if item.carrier == "xmp"}
    loose = [item for item in bounded(_loose_xmp(head, tail)) if item.value not in known]
    found.extend(loose)
    found.extend(bounded(_samsung_trailer(tail or head)))
    return Fields(tuple(dict.fromkeys(found)), tuple(failed))


def _readers(format: str, kind: MediaKind) -> Iterator[tuple[str, Reader]]:
    if format in ("jpeg", "jpg", "mpo"):
        yield "jpeg", _jpeg
    if format in ("png", "apng"):
        yield "png", _png
    if format in ("tiff", "dng"):
        yield "tiff", _tiff
    if format == "gif":
        yield "gif", _gif
    if format in ("avif", "heic", "heif"):
        yield format, _avif if format == "avif" else _heif
    if format in _RIFF_FORMATS:
        yield "riff", _riff
    if format in _MUTAGEN_FORMATS or (kind is MediaKind.AUDIO and format not in _RIFF_FORMATS):
        yield "tags", _tags
    if format in _CONTAINER_FORMATS:
        yield "container", _container


def _jpeg(stream: BinaryIO) -> Iterator[Field | None]:
    from PIL.JpegImagePlugin import JpegImageFile

    picture = JpegImageFile(stream)
    extensions: dict[bytes, dict[int, bytes]] = {}
    for name, data in picture.applist:
        if data.startswith(b"Exif\x00\x00"):
            yield from read_exif(data)
        elif data.startswith(_XMP_PREFIX):
            yield from xmp.read_packet(data[len(_XMP_PREFIX) :])
        elif data.startswith(_XMP_EXTENSION_PREFIX):
            digest, offset, part = _extension(data[len(_XMP_EXTENSION_PREFIX) :])
            extensions.setdefault(digest, {})[offset] = part
        elif name == "COM":
            yield make_field("comment", "comment", data)
        elif b"AIGC" in data[:64]:
            yield make_field("jpeg_segment", "AIGC", data)
    for parts in extensions.values():
        yield from xmp.read_packet(b"".join(parts[offset] for offset in sorted(parts)))
    yield from _iptc(picture)


def _extension(data: bytes) -> tuple[bytes, int, bytes]:
    """Return (digest, offset, part) of one segment of extended XMP (XMP specification part 3, 1.1.3.1)."""
    if len(data) < _EXTENSION_HEADER:
        return b"", 0, b""
    (offset,) = struct.unpack(">I", data[36:40])
    return data[:32], offset, data[_EXTENSION_HEADER:]


def _iptc(picture: object) -> Iterator[Field | None]:
    from PIL.IptcImagePlugin import getiptcinfo

    for key, value in (getiptcinfo(picture) or {}).items():  # type: ignore[arg-type]
        name = _IPTC_NAMES.get(key)
        if name:
            yield make_field("iptc", name, value[0] if isinstance(value, list) else value)


def _png(stream: BinaryIO) -> Iterator[Field | None]:
    for name, data in png.read_text_chunks(stream):
        if name == "XML:com.adobe.xmp":
            yield from xmp.read_packet(data)
        elif name == "eXIf":
            yield from read_exif(data)
        elif name in ("Raw profile type exif", "Raw profile type APP1"):
            yield from read_exif(_raw_profile(data))
        else:
            yield make_field("png_text", name, data)


def _raw_profile(data: bytes) -> bytes:
    """Return the bytes of ImageMagick's hexadecimal profile text."""
    parts = data.split()
    try:
        return bytes.fromhex(b"".join(parts[2:]).decode("ascii"))
    except ValueError:
        return b""


def _tiff(stream: BinaryIO) -> Iterator[Field | None]:
    from PIL.TiffImagePlugin import TiffImageFile

    picture = TiffImageFile(stream)
    tags = dict(picture.tag_v2)
    packet = tags.get(_TIFF_XMP)
    if isinstance(packet, bytes):
        yield from xmp.read_packet(packet)
    yield from fields_of_tags(tags)
    yield from fields_of_tags(picture.getexif().get_ifd(0x8769))
    yield from _iptc(picture)


def _gif(stream: BinaryIO) -> Iterator[Field | None]:
    from PIL.GifImagePlugin import GifImageFile

    yield make_field("comment", "comment", GifImageFile(stream).info.get("comment"))


def _avif(stream: BinaryIO) -> Iterator[Field | None]:
    from PIL.AvifImagePlugin import AvifImageFile

    info = AvifImageFile(stream).info
    if info.get("exif"):
        yield from read_exif(info["exif"])
    if info.get("xmp"):
        yield from xmp.read_packet(info["xmp"])


def _heif(stream: BinaryIO) -> Iterator[Field | None]:
    from pillow_heif import open_heif

    info = open_heif(stream, convert_hdr_to_8bit=False).info
    if info.get("exif"):
        yield from read_exif(info["exif"])
    if info.get("xmp"):
        yield from xmp.read_packet(info["xmp"])


def _riff(stream: BinaryIO) -> Iterator[Field | None]:
    for kind, name, data in riff.read_chunks(stream):
        if kind == "exif":
            yield from read_exif(data)
        elif kind == "xmp":
            yield from xmp.read_packet(data)
        elif kind == "info":
            yield make_field("riff_info", name, data)
        elif kind == "bext":
            yield make_field("riff_info", "originator", data[256:288].rstrip(b"\x00"))


def _tags(stream: BinaryIO) -> Iterator[Field | None]:
    import mutagen

    found = mutagen.File(stream)
    if found is None or not found.tags:
        return
    carrier = "mp4" if type(found).__name__ == "MP4" else "vorbis"
    tags = found.tags
    pairs = tags if isinstance(tags, list) else tags.items()
    for key, value in pairs:
        name, texts = str(key), getattr(value, "text", value)
        if hasattr(value, "FrameID"):  # ID3: TXXX carries its own name
            carrier = "id3"
            name = str(getattr(value, "desc", "") or value.FrameID)
        for text in texts if isinstance(texts, list | tuple) else [texts]:
            yield make_field(carrier, name, text if isinstance(text, bytes) else str(text))


def _container(stream: BinaryIO) -> Iterator[Field | None]:
    import av

    with av.open(stream, mode="r", options={"format_whitelist": _DEMUXERS}) as container:
        for key, value in container.metadata.items():
            yield make_field("container", key, value)
        for one in container.streams:
            for key, value in one.metadata.items():
                yield make_field("container", key, value)


def _ends(stream: BinaryIO, max_bytes: int) -> tuple[bytes, bytes]:
    """Return the first and the last bytes of the file; the tail is empty when the head holds all of it."""
    head = stream.read(max_bytes)
    stream.seek(0, 2)
    size = stream.tell()
    if size <= max_bytes:
        return head, b""
    stream.seek(max(max_bytes, size - max_bytes))
    return head, stream.read()


def _loose_xmp(head: bytes, tail: bytes) -> Iterator[Field]:
    for part in (head, tail):
        for packet in xmp.find_packets(_without_manifests(part)):
            yield from xmp.read_packet(packet)


def _without_manifests(data: bytes) -> bytes:
    """Return the bytes without C2PA boxes: thumbnails of ingredients carry marks that are not this file's."""
    if b"<x:xmpmeta" not in data and b"<rdf:RDF" not in data:
        return b""
    kept: list[bytes] = []
    position = 0
    start = data.find(b"jumb")
    while start >= 4:
        (length,) = struct.unpack(">I", data[start - 4 : start])
        if b"c2pa" in data[start : start + 128]:
            # A JPEG cuts the box into segments of at most 64 KiB and repeats a header of some 20 bytes in each.
            end = start - 4 + length + 32 * (length // 60_000 + 1)
            kept.append(data[position : start - 4])
            position = min(end, len(data))
        start = data.find(b"jumb", max(start + 4, position))
    kept.append(data[position:])
    return b"".join(kept)


def _samsung_trailer(tail: bytes) -> Iterator[Field | None]:
    start = tail.rfind(b"PhotoEditor_Re_Edit_Data")
    if start >= 0:
        yield make_field("trailer", "PhotoEditor_Re_Edit_Data", tail[start : start + 65_536])

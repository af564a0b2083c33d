"""Say what a file is from its first bytes, never from its name.

    sniff(head).format        # "jpeg", "png", "mp4", ..., "unknown"

`sniff` looks at the head alone and never fails. `sniff_stream` also seeks where the head cannot tell: whether an MP4
holds a picture track, whether a GIF is a clip, what follows a long ID3 tag.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from detect.media.boxes import BRANDS, has_video_track, major_brands
from detect.media.formats import AUDIO_ONLY_MIME, FORMATS
from detect.media.gif import CLIP_FRAMES, count_frames
from detect.types import MediaKind

HEAD_BYTES = 64 * 1024
"""How much of a file is kept as its head: enough for the track list of WebM and for 340 packets of MPEG-TS."""

_TEXT_BYTES = 4096
_C2PA_UUID = bytes.fromhex("6332706100110010800000aa00389b71")

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"GIF87a", "gif"),
    (0, b"GIF89a", "gif"),
    (0, b"fLaC", "flac"),
    (0, b"#!AMR\n", "amr"),
    (0, b"#!AMR-WB\n", "amr"),
    (0, b"caff\x00\x01", "caf"),
    (0, b".snd", "au"),
    (0, b"riff\x2e\x91\xcf\x11", "w64"),
    (0, b"FLV\x01", "flv"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (0, b"\x00\x00\x01\xba", "mpeg"),
    (0, b"\xff\x0a", "jxl"),
    (0, b"\x00\x00\x00\x0cJXL \r\n\x87\n", "jxl"),
    (0, b"\x00\x00\x00\x0cjP  \r\n\x87\n", "jp2"),
    (0, b"\xff\x4f\xff\x51", "jp2"),
    (0, b"8BPS", "psd"),
    (0, b"\x76\x2f\x31\x01", "exr"),
    (0, b"FUJIFILMCCD-RAW", "raw"),
    (0, b"IIRO", "raw"),
    (0, b"IIRS", "raw"),
    (0, b"IIU\x00", "raw"),
    (8, b"CR\x02", "raw"),
    (0, b"\x00\x00\x01\x00", "ico"),
    (0, b"%!PS", "eps"),
    (0, b"MThd", "midi"),
    (0, b"PK\x03\x04", "zip"),
    (0, b"\x1f\x8b", "archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "archive"),
    (0, b"Rar!\x1a\x07", "archive"),
    (0, b"\x28\xb5\x2f\xfd", "archive"),
)
"""(offset, bytes, format); the first match wins."""

_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
_RIFF = {b"WEBP": "webp", b"WAVE": "wav", b"AVI ": "avi"}
_PLAYLISTS = (b"#extm3u", b"[playlist]", b"<asx", b"ffconcat version", b"rtsptext", b"[reference]", b"#extinf")
_XML_PLAYLISTS = (b"<smil", b"<mpd", b"<playlist", b"<smoothstreamingmedia", b"<asx")


@dataclass(frozen=True)
class Sniffed:
    """What the bytes are; `format` is a name of `FORMATS`, of `REFUSED`, or `unknown`."""

    kind: MediaKind
    format: str
    mime: str


UNKNOWN = Sniffed(MediaKind.UNKNOWN, "unknown", "application/octet-stream")


def sniff(head: bytes) -> Sniffed:
    """Return what a file is by its first bytes; `UNKNOWN` when nothing matches.

    Args:
        head: The first bytes of the file; `HEAD_BYTES` are enough, fewer make the answer less sure.

    Example:
        >>> sniff(b"GIF89a" + bytes(20)).mime
        'image/gif'
    """
    for guess in (_by_signature, _by_container, _by_text, _by_frames):
        name = guess(head)
        if name:
            return _named(name, head)
    return UNKNOWN


def sniff_stream(stream: BinaryIO, head: bytes, size: int) -> Sniffed:
    """Return `sniff(head)`, made exact by seeking in the file where the head cannot tell.

    Args:
        stream: The open file; its position is not kept.
        head: The first bytes, already read.
        size: Length of the file in bytes.
    """

    def read_at(offset: int, count: int) -> bytes:
        stream.seek(offset)
        return stream.read(count)

    if head.startswith(b"ID3") and len(head) >= 10:
        return _after_id3(head, read_at)
    found = sniff(head)
    if found.format == "gif" and count_frames(read_at) >= CLIP_FRAMES:
        return Sniffed(MediaKind.VIDEO, "gif", found.mime)
    if found.format in ("mp4", "mov", "3gp") and has_video_track(read_at, size) is False:
        return Sniffed(MediaKind.AUDIO, "m4a", FORMATS["m4a"].mime)
    return found


def _named(name: str, head: bytes) -> Sniffed:
    """Attach kind and MIME type, looking for a picture track where a container may go either way."""
    known = FORMATS.get(name)
    if known is None:  # recognised only to be refused by name
        return Sniffed(MediaKind.UNKNOWN, name, "application/octet-stream")
    kind, mime = known.kind, known.mime
    if name in ("webm", "mkv") and b"V_" not in head and b"A_" in head:
        kind, mime = MediaKind.AUDIO, AUDIO_ONLY_MIME[name]
    elif name == "ogg" and (b"\x80theora" in head[:4096] or b"fishead\0" in head[:128]):
        kind, mime = MediaKind.VIDEO, "video/ogg"
    return Sniffed(kind, name, mime)


def _by_signature(head: bytes) -> str:
    """Match fixed magic numbers."""
    for offset, magic, name in _SIGNATURES:
        if head.startswith(magic, offset):
            return name
    return ""


def _by_container(head: bytes) -> str:
    """Match families that name their member a few bytes later."""
    if head[:4] in (b"RIFF", b"RIFX"):
        return _RIFF.get(head[8:12], "")
    if head[:4] in (b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return "rf64"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    if head[:4] == b"OggS":
        return "opus" if b"OpusHead" in head[:256] else "ogg"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "webm" if b"webm" in head[:128] else "mkv"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    if (
        head[:2] == b"BM"
        and len(head) >= 18
        and int.from_bytes(head[14:18], "little") in (12, 16, 40, 52, 56, 64, 108, 124)
    ):
        return "bmp"
    if head[4:8] == b"jumb":
        return "c2pa" if _C2PA_UUID in head[:64] else ""
    return _by_brand(head)


def _by_brand(head: bytes) -> str:
    """Match the ISO base media family (MP4, MOV, HEIC, AVIF, ...) by `ftyp`, or by an old QuickTime's first atom."""
    for brand in major_brands(head):
        if brand in BRANDS:
            return BRANDS[brand]
    if head[4:8] == b"ftyp":
        return "mp4"
    return "mov" if head[4:8] in (b"moov", b"wide", b"mdat") else ""


def _by_text(head: bytes) -> str:
    """Match what is written as text: PDF, SVG, playlists, web pages."""
    if b"%PDF-" in head[:1024]:
        return "pdf"
    text = _plain_text(head[:_TEXT_BYTES])
    if text.startswith(_PLAYLISTS):
        return "playlist"
    if not text.startswith(b"<"):
        return ""
    if b"<svg" in text:
        return "svg"
    if any(mark in text for mark in _XML_PLAYLISTS):
        return "playlist"
    return "html" if b"<html" in text or b"<!doctype html" in text else ""


def _plain_text(head: bytes) -> bytes:
    """Return the head in lower case as ASCII, without byte-order mark and leading blanks; UTF-16 becomes ASCII."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        head = head[2:].replace(b"\0", b"")
    return head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n\v\f").lower()


def _by_frames(head: bytes) -> str:
    """Match streams without a header by two frames or packets in a row."""
    if head.startswith(b"ID3"):
        return "mp3"
    if _has_ts_packets(head):
        return "mpegts"
    length = _adts_length(head, 0)
    if length and _adts_length(head, length):
        return "aac"
    length = _mpeg_audio_length(head, 0)
    if length and _mpeg_audio_length(head, length):
        return "mp3"
    return ""


def _after_id3(head: bytes, read_at: Callable[[int, int], bytes]) -> Sniffed:
    """Look behind an ID3v2 tag, which may hold a cover picture larger than the head."""
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    body = read_at(10 + size + (10 if head[5] & 0x10 else 0), 4096)
    name = {"flac": "flac", "aac": "aac"}.get(sniff(body).format, "mp3")
    return _named(name, head)


def _has_ts_packets(head: bytes) -> bool:
    """MPEG-TS repeats 0x47 every 188 bytes; Blu-ray puts a 4-byte time before each packet."""
    for start, step in ((0, 188), (4, 192)):
        marks = head[start : start + 8 * step : step]
        if len(marks) >= 3 and set(marks) == {0x47}:
            return True
    return False


def _adts_length(head: bytes, at: int) -> int:
    """Return the length of the ADTS frame at `at`, 0 when there is none (ISO/IEC 13818-7, 6.2)."""
    frame = head[at : at + 7]
    if len(frame) < 7 or frame[0] != 0xFF or frame[1] & 0xF6 != 0xF0 or frame[2] >> 2 & 15 > 12:
        return 0
    length = (frame[3] & 3) << 11 | frame[4] << 3 | frame[5] >> 5
    return length if length > 7 else 0


_BITRATES_KBPS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""(MPEG version, layer) to bit rates 1..14 in kbit/s (ISO/IEC 11172-3, 2.4.2.3; version 2.5 as 2)."""


def _mpeg_audio_length(head: bytes, at: int) -> int:
    """Return the length of the MPEG audio frame at `at`, 0 when there is none."""
    frame = head[at : at + 4]
    if len(frame) < 4 or frame[0] != 0xFF or frame[1] & 0xE0 != 0xE0:
        return 0
    version_bits, layer = frame[1] >> 3 & 3, 4 - (frame[1] >> 1 & 3)
    rate_index, rate_bits = frame[2] >> 4, frame[2] >> 2 & 3
    if version_bits == 1 or layer == 4 or rate_index in (0, 15) or rate_bits == 3:
        return 0
    version = 1 if version_bits == 3 else 2
    sample_rate_hz = (44_100, 48_000, 32_000)[rate_bits] >> {3: 0, 2: 1, 0: 2}[version_bits]
    bitrate = _BITRATES_KBPS[version, layer][rate_index - 1] * 1000
    padding = frame[2] >> 1 & 1
    if layer == 1:
        return (12 * bitrate // sample_rate_hz + padding) * 4
    return (72 if version == 2 and layer == 3 else 144) * bitrate // sample_rate_hz + padding

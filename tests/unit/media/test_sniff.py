from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from detect.media import open_source, sniff
from detect.media.formats import FORMATS, MEDIA_SUFFIXES, REFUSED
from detect.media.sniff import UNKNOWN
from detect.types import MediaKind

PICTURES = [
    ("JPEG", "jpeg"),
    ("MPO", "jpeg"),
    ("PNG", "png"),
    ("WEBP", "webp"),
    ("AVIF", "avif"),
    ("HEIF", "heic"),
    ("TIFF", "tiff"),
    ("BMP", "bmp"),
    ("GIF", "gif"),
]


@pytest.mark.parametrize(("file_format", "expected"), PICTURES)
def test_a_picture_is_known_by_its_bytes(
    scene: Image.Image, encode: Callable[..., bytes], file_format: str, expected: str
) -> None:
    found = sniff(encode(scene, file_format))
    assert (found.kind, found.format, found.mime) == (MediaKind.IMAGE, expected, FORMATS[expected].mime)


@pytest.mark.parametrize(
    ("file_format", "subtype", "expected"),
    [
        ("WAV", "PCM_16", "wav"),
        ("RF64", "PCM_16", "rf64"),
        ("W64", "PCM_16", "w64"),
        ("AIFF", "PCM_16", "aiff"),
        ("AU", "PCM_16", "au"),
        ("CAF", "PCM_16", "caf"),
        ("FLAC", "PCM_16", "flac"),
        ("OGG", "VORBIS", "ogg"),
        ("OGG", "OPUS", "opus"),
        ("MP3", "MPEG_LAYER_III", "mp3"),
    ],
)
def test_a_recording_is_known_by_its_bytes(file_format: str, subtype: str, expected: str) -> None:
    buffer = io.BytesIO()
    tone = np.sin(np.arange(24_000) / 10) * 0.5
    soundfile.write(buffer, tone, 48_000, format=file_format, subtype=subtype)
    with open_source(buffer.getvalue()) as source:
        assert (source.kind, source.format) == (MediaKind.AUDIO, expected)


def record(path: Path, container: str, *, picture: str | None, sound: str | None) -> bytes:
    """Write a tenth of a second of video and/or audio with PyAV."""
    with av.open(str(path), "w", format=container) as out:
        if picture:
            video = out.add_stream(picture, rate=25)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        if sound:
            audio = out.add_stream(sound, rate=48_000 if sound == "libopus" else 44_100)
            audio.layout = "mono"
        if picture:
            for shade in (0, 128, 255):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), shade, np.uint8), format="rgb24")
                out.mux(video.encode(frame))
            out.mux(video.encode())
        if sound:
            samples = (np.sin(np.arange(8192) / 9)[None] * 0.5).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate = audio.rate
            resampler = av.AudioResampler(audio.format, "mono", audio.rate, frame_size=audio.codec_context.frame_size)
            for piece in resampler.resample(frame):
                out.mux(audio.encode(piece))
            out.mux(audio.encode())
    return path.read_bytes()


@pytest.mark.parametrize(
    ("container", "picture", "sound", "expected", "kind"),
    [
        ("mp4", "mpeg4", "aac", "mp4", MediaKind.VIDEO),
        ("mp4", "mpeg4", None, "mp4", MediaKind.VIDEO),
        ("mp4", None, "aac", "m4a", MediaKind.AUDIO),
        ("ipod", None, "aac", "m4a", MediaKind.AUDIO),
        ("mov", "mpeg4", "aac", "mov", MediaKind.VIDEO),
        ("webm", "libvpx", None, "webm", MediaKind.VIDEO),
        ("webm", None, "libopus", "webm", MediaKind.AUDIO),
        ("matroska", "mpeg4", "aac", "mkv", MediaKind.VIDEO),
        ("matroska", None, "aac", "mkv", MediaKind.AUDIO),
        ("avi", "mpeg4", None, "avi", MediaKind.VIDEO),
        ("mpegts", "mpeg2video", None, "mpegts", MediaKind.VIDEO),
        ("mpeg", "mpeg2video", None, "mpeg", MediaKind.VIDEO),
        ("flv", "flv1", None, "flv", MediaKind.VIDEO),
        ("asf", "mpeg4", None, "asf", MediaKind.VIDEO),
        ("adts", None, "aac", "aac", MediaKind.AUDIO),
    ],
)
def test_a_container_is_known_by_its_bytes_and_its_tracks(
    tmp_path: Path, container: str, picture: str | None, sound: str | None, expected: str, kind: MediaKind
) -> None:
    content = record(tmp_path / "clip.bin", container, picture=picture, sound=sound)
    with open_source(content) as source:
        assert (source.format, source.kind) == (expected, kind)


def test_a_movie_cut_before_its_track_list_stays_a_movie(tmp_path: Path) -> None:
    content = record(tmp_path / "clip.bin", "mp4", picture="mpeg4", sound=None)
    assert content.index(b"moov") > 100  # PyAV writes the track list last
    with open_source(content[: content.index(b"moov") - 4]) as source:
        assert (source.format, source.kind) == ("mp4", MediaKind.VIDEO)


def test_an_mp3_behind_a_cover_picture_larger_than_the_head_is_an_mp3() -> None:
    size = 300_000
    tag = b"ID3\x04\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + bytes(size)
    with open_source(tag + b"fLaC" + bytes(100)) as source:
        assert source.format == "flac"
    with open_source(tag + b"\xff\xfb\x90\x00" + bytes(1000)) as source:
        assert source.format == "mp3"


@pytest.mark.parametrize(
    ("head", "expected", "kind"),
    [
        (b"%PDF-1.7\n", "pdf", MediaKind.DOCUMENT),
        (b"\n\n%PDF-1.4", "pdf", MediaKind.DOCUMENT),
        (b'<?xml version="1.0"?>\n<!-- a drawing -->\n<svg xmlns="x">', "svg", MediaKind.DOCUMENT),
        (b"\xef\xbb\xbf  <SVG>", "svg", MediaKind.DOCUMENT),
        (b"\0\0\0\x2fjumb\0\0\0\x1ejumdc2pa\x00\x11\x00\x10\x80\0\0\xaa\0\x38\x9b\x71", "c2pa", MediaKind.DOCUMENT),
        (b"#!AMR\n\x3c", "amr", MediaKind.AUDIO),
        (b"#!AMR-WB\n\x3c", "amr", MediaKind.AUDIO),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "avif", MediaKind.IMAGE),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf", "heic", MediaKind.IMAGE),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1miaf", "heif", MediaKind.IMAGE),
        (b"\0\0\0\x10ftypqt  \0\0\0\0", "mov", MediaKind.VIDEO),
        (b"\0\0\0\x08wide\0\0\0\0mdat", "mov", MediaKind.VIDEO),
        (b"\0\0\0\x10ftyp3gp5\0\0\0\0", "3gp", MediaKind.VIDEO),
        (b"OggS" + bytes(24) + b"\x80theora", "ogg", MediaKind.VIDEO),
        (b"MM\0*\0\0\0\x08", "tiff", MediaKind.IMAGE),
    ],
)
def test_a_head_names_its_format(head: bytes, expected: str, kind: MediaKind) -> None:
    assert (sniff(head).format, sniff(head).kind) == (expected, kind)


@pytest.mark.parametrize(
    "head",
    [
        b"#EXTM3U\nfile:///etc/passwd\n",
        b"\xef\xbb\xbf#EXTM3U8",
        b"  \r\n#extm3u\n",
        "#EXTM3U".encode("utf-16"),
        b"[playlist]\nFile1=http://127.0.0.1/\n",
        b"ffconcat version 1.0\nfile /etc/passwd",
        b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011">',
        b"<asx version='3'><ref href='file:///x'/></asx>",
        b"<smil><body/></smil>",
    ],
)
def test_a_playlist_is_called_a_playlist(head: bytes) -> None:
    assert (sniff(head).format, sniff(head).kind) == ("playlist", MediaKind.UNKNOWN)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"hello, this is a letter\n",
        b"BM is how this letter begins, which is no bitmap",
        b"G" + bytes(187) + b"H",
        b"\xff\xfe" + "plain text in UTF-16".encode("utf-16-le"),
        b"RIFF\0\0\0\0XXXX",
        bytes(4096),
        b"<note>xml</note>",
    ],
)
def test_other_bytes_are_unknown(head: bytes) -> None:
    assert sniff(head) == UNKNOWN


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\xff\x0a\xfa", "jxl"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
        (b"8BPS\0\1", "psd"),
        (b"II*\0\x10\0\0\0CR\2\0", "raw"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "raw"),
        (b"PK\3\4", "zip"),
        (b"<!DOCTYPE html><html>", "html"),
    ],
)
def test_formats_that_are_not_read_are_recognised_to_be_refused_by_name(head: bytes, expected: str) -> None:
    assert sniff(head).format == expected
    assert expected in REFUSED
    assert sniff(head).kind is MediaKind.UNKNOWN


def test_every_format_has_a_suffix_of_its_own_kind() -> None:
    for entry in FORMATS.values():
        assert entry.suffixes
        assert all(suffix in MEDIA_SUFFIXES and suffix == suffix.lower() for suffix in entry.suffixes)

"""The formats that are known by their bytes: kind, MIME type and the suffixes that fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from detect.types import MediaKind


@dataclass(frozen=True)
class Format:
    """One format; `suffixes` are lower case with their dot, the usual one first."""

    kind: MediaKind
    mime: str
    suffixes: tuple[str, ...]


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "jpeg": Format(MediaKind.IMAGE, "image/jpeg", (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")),
        "png": Format(MediaKind.IMAGE, "image/png", (".png", ".apng")),
        "webp": Format(MediaKind.IMAGE, "image/webp", (".webp",)),
        "avif": Format(MediaKind.IMAGE, "image/avif", (".avif", ".avifs")),
        "heic": Format(MediaKind.IMAGE, "image/heic", (".heic", ".heif", ".heics", ".hif")),
        "heif": Format(MediaKind.IMAGE, "image/heif", (".heif", ".heic", ".heifs", ".hif")),
        "tiff": Format(MediaKind.IMAGE, "image/tiff", (".tif", ".tiff")),
        "bmp": Format(MediaKind.IMAGE, "image/bmp", (".bmp", ".dib")),
        "gif": Format(MediaKind.IMAGE, "image/gif", (".gif",)),
        "wav": Format(MediaKind.AUDIO, "audio/wav", (".wav", ".wave", ".bwf")),
        "rf64": Format(MediaKind.AUDIO, "audio/wav", (".wav", ".rf64", ".bwf")),
        "w64": Format(MediaKind.AUDIO, "audio/x-w64", (".w64",)),
        "aiff": Format(MediaKind.AUDIO, "audio/aiff", (".aiff", ".aif", ".aifc")),
        "caf": Format(MediaKind.AUDIO, "audio/x-caf", (".caf",)),
        "au": Format(MediaKind.AUDIO, "audio/basic", (".au", ".snd")),
        "flac": Format(MediaKind.AUDIO, "audio/flac", (".flac",)),
        "ogg": Format(MediaKind.AUDIO, "audio/ogg", (".ogg", ".oga", ".ogv", ".spx", ".opus")),
        "opus": Format(MediaKind.AUDIO, "audio/ogg", (".opus", ".ogg", ".oga")),
        "mp3": Format(MediaKind.AUDIO, "audio/mpeg", (".mp3", ".mp2", ".mpga")),
        "aac": Format(MediaKind.AUDIO, "audio/aac", (".aac", ".adts")),
        "m4a": Format(MediaKind.AUDIO, "audio/mp4", (".m4a", ".mp4", ".m4b", ".aac", ".3gp", ".3ga", ".mov")),
        "amr": Format(MediaKind.AUDIO, "audio/amr", (".amr", ".awb", ".3ga")),
        "mp4": Format(MediaKind.VIDEO, "video/mp4", (".mp4", ".m4v", ".mov")),
        "mov": Format(MediaKind.VIDEO, "video/quicktime", (".mov", ".qt", ".mp4")),
        "3gp": Format(MediaKind.VIDEO, "video/3gpp", (".3gp", ".3g2", ".3gpp", ".mp4")),
        "webm": Format(MediaKind.VIDEO, "video/webm", (".webm", ".weba")),
        "mkv": Format(MediaKind.VIDEO, "video/x-matroska", (".mkv", ".mka", ".mks")),
        "avi": Format(MediaKind.VIDEO, "video/x-msvideo", (".avi",)),
        "mpegts": Format(MediaKind.VIDEO, "video/mp2t", (".ts", ".mts", ".m2ts", ".tsv")),
        "mpeg": Format(MediaKind.VIDEO, "video/mpeg", (".mpg", ".mpeg", ".vob", ".m2p")),
        "asf": Format(MediaKind.VIDEO, "video/x-ms-asf", (".wmv", ".asf", ".wma")),
        "flv": Format(MediaKind.VIDEO, "video/x-flv", (".flv",)),
        "pdf": Format(MediaKind.DOCUMENT, "application/pdf", (".pdf", ".ai")),
        "svg": Format(MediaKind.DOCUMENT, "image/svg+xml", (".svg",)),
        "c2pa": Format(MediaKind.DOCUMENT, "application/c2pa", (".c2pa",)),
    }
)
"""Every format that `detect` reads, by the name that `MediaSource.format` uses."""

AUDIO_ONLY_MIME: Mapping[str, str] = MappingProxyType(
    {
        "webm": "audio/webm",
        "mkv": "audio/x-matroska",
        "asf": "audio/x-ms-wma",
        "avi": "audio/x-msvideo",
        "mpegts": "audio/mp2t",
        "3gp": "audio/3gpp",
        "mov": "audio/quicktime",
    }
)
"""MIME types of video containers that hold sound only."""

REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "playlist": "a playlist, which only points at other files; give the media file itself",
        "jxl": "JPEG XL; convert it to PNG first",
        "jp2": "JPEG 2000; convert it to PNG first",
        "psd": "a Photoshop document; export it as PNG first",
        "exr": "OpenEXR; export it as PNG first",
        "raw": "a camera raw file; export it as JPEG or TIFF, or give the camera's own JPEG",
        "ico": "an icon; convert it to PNG first",
        "eps": "PostScript; export it as PNG first",
        "midi": "MIDI, which holds notes and no sound",
        "html": "a web page; save the picture or clip itself",
        "zip": "a ZIP archive or office document; unpack it first",
        "archive": "a compressed archive; unpack it first",
    }
)
"""Formats that are recognised only to say in the error what they are and what to do."""

MEDIA_SUFFIXES = frozenset(suffix for entry in FORMATS.values() for suffix in entry.suffixes)
"""Suffixes that make a promise about the bytes; others (`.tmp`, `.bin`, none) promise nothing."""

"""EXIF bytes to fields, through Pillow; user comments in every encoding that generators write."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Mapping

from detect.provenance.metadata.fields import Field, make_field

_TAGS = {
    0x010E: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x0131: "Software",
    0x0132: "DateTime",
    0x013B: "Artist",
    0x013C: "HostComputer",
    0x8298: "Copyright",
    0x9003: "DateTimeOriginal",
    0x9286: "UserComment",
    0x9C9B: "XPTitle",
    0x9C9C: "XPComment",
    0x9C9D: "XPAuthor",
    0x9C9E: "XPKeywords",
    0xA433: "LensMake",
    0xA434: "LensModel",
    0xA420: "ImageUniqueID",
    0x8769: "",  # the Exif directory, read below
}
_EXIF_DIRECTORY = 0x8769
_USER_COMMENT = 0x9286
_UTF16_TAGS = frozenset({0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E})

_quiet = threading.Lock()


def read_exif(data: bytes) -> Iterator[Field]:
    """Yield the text fields of an EXIF block, with or without its `Exif` prefix; damaged blocks yield what is left."""
    from PIL import Image

    tags: dict[int, object] = {}
    # Pillow warns about damaged blocks; a lock, because catching warnings is not safe across threads.
    with _quiet, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exif = Image.Exif()
            exif.load(data if data.startswith(b"Exif\x00\x00") else b"Exif\x00\x00" + data)
            tags |= dict(exif)
            tags |= dict(exif.get_ifd(_EXIF_DIRECTORY))
        except (OSError, ValueError, KeyError, IndexError, TypeError, SyntaxError, OverflowError, EOFError):
            pass
        except Exception as error:  # struct.error has no public base besides Exception
            if type(error).__module__ != "struct":
                raise
    yield from fields_of_tags(tags)


def fields_of_tags(tags: Mapping[int, object]) -> Iterator[Field]:
    """Yield the fields of TIFF tags that carry text for people."""
    for tag, value in tags.items():
        name = _TAGS.get(tag)
        if not name:
            continue
        if isinstance(value, tuple) and value and all(isinstance(item, int) for item in value):
            value = bytes(item & 0xFF for item in value)
        if isinstance(value, bytes):
            value = decode_comment(value) if tag == _USER_COMMENT else _decode(value, is_utf16=tag in _UTF16_TAGS)
        field = make_field("exif", name, value)
        if field is not None:
            yield field


def decode_comment(data: bytes) -> str:
    """Return a UserComment as text: its 8-byte code says which, but tools disagree on the byte order of UNICODE."""
    code, body = data[:8], data[8:]
    if code == b"UNICODE\x00":
        return _best_utf16(body)
    if code in (b"ASCII\x00\x00\x00", bytes(8)):
        return body.decode("utf-8", "replace")
    return data.decode("utf-8", "replace")


def _best_utf16(body: bytes) -> str:
    """Return big-endian, little-endian or UTF-8 text: the reading with the most plain letters."""
    readings = [body.decode(name, "replace") for name in ("utf-16-be", "utf-16-le", "utf-8")]
    return max(readings, key=_share_of_plain_letters)


def _share_of_plain_letters(text: str) -> float:
    return sum(char.isascii() and char.isprintable() for char in text) / (len(text) or 1)


def _decode(data: bytes, *, is_utf16: bool) -> str:
    return data.decode("utf-16-le" if is_utf16 else "utf-8", "replace")

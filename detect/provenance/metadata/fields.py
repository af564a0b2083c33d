"""A metadata field as the carriers hand it on: where it stood, what it was called, what it said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MAX_VALUE_CHARS = 2_000_000
"""Longest value kept: a ComfyUI workflow can be a megabyte of JSON."""

MAX_FIELDS = 2_000


@dataclass(frozen=True)
class Field:
    """One key and value.

    Attributes:
        carrier: `xmp`, `exif`, `iptc`, `png_text`, `riff_info`, `id3`, `vorbis`, `mp4`, `container`, `jpeg_segment`,
            `comment` or `trailer`.
        key: The carrier's own name; XMP keys are `prefix:Name` with the house's prefixes, EXIF keys the tag's name.
        value: The text, not cleaned.
    """

    carrier: str
    key: str
    value: str


@dataclass(frozen=True)
class Fields:
    """All fields of one file, and which carriers could not be read."""

    items: tuple[Field, ...] = ()
    failed: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Field]:
        return iter(self.items)

    def values(self, carrier: str, key: str) -> list[str]:
        """Return the values of that key; keys compare without case."""
        return [one.value for one in self.items if one.carrier == carrier and one.key.lower() == key.lower()]

    def first(self, carrier: str, *keys: str) -> str:
        """Return the first non-empty value of these keys, or the empty string."""
        return next((value for key in keys for value in self.values(carrier, key) if value.strip()), "")


def make_field(carrier: str, key: object, value: object) -> Field | None:
    """Return a field with bounded text, or None when there is no text to keep."""
    if isinstance(value, bytes):
        value = value[:MAX_VALUE_CHARS].decode("utf-8", "replace")
    if value is None or not isinstance(value, str | int | float):
        return None
    text = str(value)[:MAX_VALUE_CHARS].strip("\x00 \t\r\n")
    return Field(carrier, str(key)[:200], text) if text else None


def bounded(fields: Iterable[Field | None]) -> Iterator[Field]:
    """Yield at most `MAX_FIELDS` fields, leaving out the empty ones."""
    kept = 0
    for one in fields:
        if one is not None:
            yield one
            kept += 1
        if kept >= MAX_FIELDS:
            return

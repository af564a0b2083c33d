"""Strings that come out of a file, on their way into Evidence: bytes decoded, then the house's one cleaning."""

from __future__ import annotations

from typing import Any

from detect.text import MAX_SHOWN_CHARACTERS, clean_text
from detect.text import clean_tree as _clean_tree

MAX_DEPTH = 6
MAX_ITEMS = 64
"""Deepest nesting and longest list kept from a file's own structures."""


def clean(value: object, *, max_characters: int = MAX_SHOWN_CHARACTERS) -> str:
    """Return `value` as one harmless line (`detect.text.clean_text`); None is empty, bytes are read as UTF-8."""
    if value is None:
        return ""
    text = value[: max_characters * 8].decode("utf-8", "replace") if isinstance(value, bytes) else value
    return clean_text(text, max_characters=max_characters)


def clean_tree(value: Any) -> Any:
    """Return a JSON-ready copy with every string cleaned and depth and breadth capped."""
    return _clean_tree(value, max_depth=MAX_DEPTH, max_items=MAX_ITEMS)

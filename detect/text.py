"""Make strings that came out of a file, or out of its name, safe to show: the one cleaning that all parts share.

Escaping for HTML is Jinja's work (autoescape) and for JSON the encoder's. What is left are characters that act on
the reader's screen: terminal sequences, line breaks, invisible and direction-changing characters, stacks of accents.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

MAX_SHOWN_CHARACTERS = 300
"""Longer strings are cut for display; the JSON keeps what the Report holds."""

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# ECMA-48: CSI and OSC sequences, in their 7-bit and 8-bit forms, then any other two-character escape.
_TERMINAL_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-~]?"
)
_WHITESPACE = re.compile(r"\s+")
_ACTING_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")  # spell Persian and emoji; invisible, but they act on their neighbours only
_MAX_MARKS_IN_A_ROW = 3


def clean_text(value: object, *, max_characters: int = MAX_SHOWN_CHARACTERS) -> str:
    """Return one line of printable text that cannot act on a terminal or turn the reading direction.

    Acting characters become U+FFFD, so that a reader sees that something was there; names that are not UTF-8 (lone
    surrogates in Python) do too.

    Args:
        value: Anything; `str()` of it is shown.
        max_characters: The cut, counted after cleaning; a cut string ends in an ellipsis.

    Example:
        >>> clean_text("a\\x1b[31mred\\nline")
        'ared line'
    """
    # A hostile string may be megabytes long: look only at what could still be shown.
    text = str(value)[: max_characters * 8]
    text = _WHITESPACE.sub(" ", _TERMINAL_SEQUENCE.sub("", text)).strip()
    shown: list[str] = []
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks > _MAX_MARKS_IN_A_ROW:
            continue
        is_acting = category in _ACTING_CATEGORIES and character not in _JOINERS
        shown.append(REPLACEMENT if is_acting else character)
        if len(shown) > max_characters:
            return "".join(shown[: max_characters - 1]) + "…"
    return "".join(shown)


def clean_tree(value: Any, *, max_depth: int = 12, max_items: int = 200) -> Any:
    """Return JSON-like `value` with every string cleaned, and depth and breadth capped for display."""
    if isinstance(value, Mapping):
        if max_depth == 0:
            return "…"
        pairs = list(value.items())[:max_items]
        return {clean_text(key): clean_tree(item, max_depth=max_depth - 1, max_items=max_items) for key, item in pairs}
    if isinstance(value, list | tuple):
        if max_depth == 0:
            return "…"
        return [clean_tree(item, max_depth=max_depth - 1, max_items=max_items) for item in value[:max_items]]
    if value is None or isinstance(value, bool | int | float):
        return value
    return clean_text(value)

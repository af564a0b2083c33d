"""Cleaning of strings that come out of files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.text import MAX_SHOWN_CHARACTERS, clean_text, clean_tree


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x9b31mred", "red"),
        ("a\r\n\tb", "a b"),
        ("\u202egnp.exe", "\ufffdgnp.exe"),
        ("zero\u200bwidth", "zero\ufffdwidth"),
        ("bell\x07", "bell\ufffd"),
        ("caf\udce9", "caf\ufffd"),
        ("می‌خواهم", "می‌خواهم"),
        ("👩‍👩‍👧", "👩‍👩‍👧"),
        ("e" + "\u0301" * 50, "e" + "\u0301" * 3),
    ],
)
def test_acting_characters_are_removed_and_writing_is_kept(given_text: str, shown: str) -> None:
    assert clean_text(given_text) == shown


@given(st.text(alphabet=st.characters(), max_size=400))
def test_any_text_becomes_one_short_line_without_control_characters(text: str) -> None:
    shown = clean_text(text)
    assert len(shown) <= MAX_SHOWN_CHARACTERS
    assert not any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in shown)
    assert "\n" not in shown
    assert not any("\ud800" <= character <= "\udfff" for character in shown)


def test_long_text_is_cut_with_an_ellipsis() -> None:
    assert clean_text("x" * 10_000, max_characters=10) == "x" * 9 + "…"


def test_trees_are_cleaned_in_keys_and_values_and_capped() -> None:
    deep: object = "end"
    for _ in range(50):
        deep = [deep]
    cleaned = clean_tree({"a\x1b[1m": ["\x07", 1, None, True], "deep": deep}, max_depth=5, max_items=10)
    assert cleaned["a"] == ["\ufffd", 1, None, True]
    assert str(cleaned["deep"]).count("[") == 4
    assert len(clean_tree(list(range(100)), max_items=10)) == 10

"""Words for scores: never more certain than the number."""

from __future__ import annotations

import pytest

from detect.render import words
from detect.types import Finding, MediaKind, Status, Verdict


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "<0.01"), (0.004, "<0.01"), (0.5, "0.50"), (0.996, ">0.99"), (1.0, ">0.99"), (None, "none")],
)
def test_scores_never_claim_certainty(value: float | None, shown: str) -> None:
    assert words.score(value) == shown


@pytest.mark.parametrize(
    ("llr", "shown"),
    [
        (0.0, "no effect on the score"),
        (0.05, "next to nothing (odds × 1.1)"),
        (-1.5, "moderate, towards authentic (odds ÷ 4.5)"),
        (10.0, "very strong, towards machine-made (odds × 22,026)"),
    ],
)
def test_effect_names_direction_strength_and_factor(llr: float, shown: str) -> None:
    assert words.effect(llr) == shown


def test_effect_of_manipulated_evidence_does_not_say_machine_made() -> None:
    assert words.effect(1.5, Finding.MANIPULATED) == "moderate, towards manipulated (odds × 4.5)"
    assert words.effect(-1.5, Finding.MANIPULATED) == "moderate, towards authentic (odds ÷ 4.5)"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00.0"), (59.96, "1:00.0"), (61.25, "1:01.2"), (3600, "1:00:00.0"), (-1, "0:00.0")]
)
def test_clock_carries_over(seconds: float, shown: str) -> None:
    assert words.clock(seconds) == shown


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (12_345_678, "12 MB"), (3 * 10**9, "3.0 GB")],
)
def test_file_sizes_read_well(size: int, shown: str) -> None:
    assert words.file_size(size) == shown


def test_every_word_of_the_house_has_its_title() -> None:
    assert set(words.VERDICT_TITLES) == set(words.VERDICT_SYMBOLS) == set(Verdict)
    assert set(words.STATUS_TITLES) == set(Status)
    assert set(words.KIND_NOUNS) == set(MediaKind)


def test_verdicts_are_told_apart_without_colour() -> None:
    assert len(set(words.VERDICT_SYMBOLS.values())) == len(Verdict)


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("image.pixels", "Pixels of the picture"),
        ("watermark.perth", "Watermark: perth"),
        ("plugin.mine", "plugin.mine"),
    ],
)
def test_sources_have_titles_and_unknown_ones_keep_their_name(source: str, title: str) -> None:
    assert words.source_title(source) == title

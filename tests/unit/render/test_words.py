"""Words for scores: never more certain than the number."""

from __future__ import annotations

import pytest

from detect.render import words
from detect.types import Evidence, Finding, MediaKind, Operating, Reason, Status, Verdict
from tests.unit.render.samples import picture_report


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


def test_that_no_origin_was_found_is_no_reason_for_a_verdict() -> None:
    weak, absent = Reason("between_thresholds", "Too weak."), Reason("no_c2pa_manifest", "Nothing there.")
    unread, extra = Reason("c2pa_unreadable", "There, not readable."), Reason("extra", "Needs an extra.")
    evidence = (
        Evidence("provenance.c2pa", Status.NOT_APPLICABLE, reasons=(absent,)),
        Evidence("provenance.metadata", Status.FAILED, reasons=(unread,)),
        Evidence("watermark.perth", Status.UNAVAILABLE, reasons=(extra,)),
    )
    report = picture_report(evidence=evidence, reasons=(weak, absent, unread, extra))
    assert words.telling_reasons(report) == (weak, unread)
    assert words.telling_reasons(picture_report(evidence=evidence, reasons=(absent,))) == (absent,)


def test_the_thresholds_are_told_as_scores_with_one_more_decimal_than_the_score() -> None:
    assert words.threshold_scores(Operating(0.02, 2.24, -1.22, "x")) == ("0.096", "0.772")
    assert words.threshold_scores(Operating(0.02, 2.24, float("-inf"), "x"))[1] == "1.000"


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
        ("watermark.perth", "Watermark of voices (Perth)"),
        ("watermark.new", "Watermark: new"),
        ("plugin.mine", "plugin.mine"),
    ],
)
def test_sources_have_titles_and_unknown_ones_keep_their_name(source: str, title: str) -> None:
    assert words.source_title(source) == title

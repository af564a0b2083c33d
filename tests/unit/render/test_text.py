"""Reports on a terminal: words first, nothing acts, lines fit."""

from __future__ import annotations

import dataclasses

import pytest

from detect.render.text import format_report, format_row
from detect.types import Operating, Report
from tests.unit.render.samples import failed_report, hostile_report, picture_report, recording_report

ALL = [picture_report(), recording_report(), failed_report(), hostile_report()]


def test_verdict_in_words_comes_before_score_and_evidence() -> None:
    text = format_report(picture_report())
    order = ["Likely made by a machine", "Authenticity 0.07", "Why", "Evidence", "Where from", "What this cannot tell"]
    places = [text.index(words) for words in order]
    assert places == sorted(places)


def test_capped_contribution_and_its_reason_are_told() -> None:
    text = format_report(picture_report(), width=100)
    assert "strong, towards machine-made (odds × 11); capped at 2.4 nats" in text


def test_first_two_provenance_levels_are_shown_and_the_codes_are_not() -> None:
    text = format_report(picture_report())
    assert "Example Camera Corp" in text
    assert "signingCredential.untrusted" not in text


def test_flagged_stretches_are_listed_in_order_of_time() -> None:
    text = format_report(recording_report())
    assert text.index("0:12.0 to 0:17.5: machine-made 0.97") < text.index("0:40.0 to 0:44.0: machine-made 0.55")


def test_failed_file_shows_message_and_code_and_no_score() -> None:
    text = format_report(failed_report())
    assert "The JPEG ends after 12 of 480 rows." in text
    assert "corrupt_media" in text
    assert "Authenticity" not in text


def test_operating_point_that_never_accuses_promises_no_budget() -> None:
    never = Operating(0.02, float("inf"), float("-inf"), "none")
    text = format_report(dataclasses.replace(recording_report(), operating=never))
    assert "of 100 authentic files" not in text
    assert "No calibrated classifier" in text


@pytest.mark.parametrize("width", [10, 40, 80, 200])
@pytest.mark.parametrize("report", ALL, ids=["picture", "recording", "failed", "hostile"])
def test_no_line_is_wider_than_the_terminal(report: Report, width: int) -> None:
    for text in (format_report(report, width=width), format_row(report, width=width)):
        assert max(len(line) for line in text.splitlines()) <= max(width, 40)


def test_row_of_a_long_path_keeps_its_end() -> None:
    row = format_row(dataclasses.replace(picture_report(), path="/very" * 60 + "/photo.jpg"), width=80)
    assert "…" in row
    assert "/photo.jpg" in row


def test_row_is_one_line() -> None:
    assert [format_row(report).count("\n") for report in ALL] == [1, 1, 1, 1]


def test_hostile_strings_bring_no_control_characters_to_the_terminal() -> None:
    for text in (format_report(hostile_report()), format_row(hostile_report())):
        acting = {character for character in text if not character.isprintable()} - {"\n"}
        assert not acting


def test_colour_is_added_only_when_asked_for() -> None:
    assert "\x1b[" not in format_report(picture_report())
    assert "\x1b[" in format_report(picture_report(), has_color=True)


def test_rich_markup_of_a_file_name_is_shown_and_not_obeyed() -> None:
    assert "[bold]" in format_row(hostile_report(), width=300)

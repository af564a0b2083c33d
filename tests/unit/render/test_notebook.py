"""The card that notebooks show."""

from __future__ import annotations

from tests.unit.render.samples import failed_report, hostile_report, picture_report


def test_report_shows_itself_in_a_notebook() -> None:
    card = picture_report()._repr_html_()
    assert "Likely made by a machine" in card
    assert "0.07" in card
    assert "<li>The fine structure of the pixels fits a generator.</li>" in card
    assert "What this does not tell you" in card


def test_hostile_strings_are_escaped() -> None:
    card = hostile_report()._repr_html_()
    assert "<script" not in card
    assert card.isprintable()


def test_failed_file_shows_its_message() -> None:
    assert "12 of 480 rows" in failed_report()._repr_html_()

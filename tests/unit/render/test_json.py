"""Reports as JSON: one pure ASCII line that every reader takes."""

from __future__ import annotations

import dataclasses
import json

from detect import report_from_dict, report_to_dict
from detect.render.json import dumps
from tests.unit.render.samples import HOSTILE, hostile_report, picture_report


def test_line_holds_no_line_feed_and_reads_back_equal() -> None:
    report = picture_report()
    line = dumps(report)
    assert "\n" not in line
    assert json.loads(line) == report_to_dict(report)
    assert report_to_dict(report_from_dict(json.loads(line))) == report_to_dict(report)


def test_hostile_strings_are_kept_but_escaped() -> None:
    line = dumps(hostile_report())
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["path"] == HOSTILE


def test_delete_character_is_escaped() -> None:
    line = dumps(dataclasses.replace(picture_report(), path="a\x7fb"))
    assert "\x7f" not in line
    assert json.loads(line)["path"] == "a\x7fb"


def test_name_that_is_not_utf8_shows_its_odd_bytes() -> None:
    line = dumps(dataclasses.replace(picture_report(), path="caf\udce9.jpg"))
    assert json.loads(line)["path"] == "caf\\xe9.jpg"
    assert "\\ud" not in line.lower()


def test_surrogates_that_are_no_bytes_are_shown_too() -> None:
    line = dumps(dataclasses.replace(picture_report(), path="\ud800x"))
    assert json.loads(line)["path"] == "\\ud800x"


def test_pretty_form_holds_the_same() -> None:
    report = picture_report()
    assert json.loads(dumps(report, is_pretty=True)) == json.loads(dumps(report))
    assert dumps(report, is_pretty=True).count("\n") > 20


def test_infinite_thresholds_become_null() -> None:
    report = picture_report()
    assert report.operating is not None
    endless = dataclasses.replace(report.operating, synthetic_threshold=float("inf"))
    assert json.loads(dumps(dataclasses.replace(report, operating=endless)))["operating"]["synthetic_threshold"] is None

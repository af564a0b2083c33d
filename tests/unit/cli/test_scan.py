"""`witnessmark scan`: what it prints, what it returns, and what it passes on."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from detect import scan as package
from detect.cli import scan as command
from detect.cli.app import run
from detect.errors import ConfigError, EngineError
from detect.scan import ScanPlan, ScanSummary

SUMMARY = ScanSummary(
    rows=120,
    resumed=20,
    total=120,
    errors=Counter(corrupt_media=2),
    verdicts=Counter(inconclusive=90, likely_authentic=8),
    duplicates=5,
    elapsed_s=50.0,
    rate=2.0,
)


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[ScanPlan, dict[str, Any]]]:
    """Replace the scan by one that is over at once; returns what it was asked to do."""
    asked: list[tuple[ScanPlan, dict[str, Any]]] = []

    def scan(plan: ScanPlan, **options: Any) -> ScanSummary:
        asked.append((plan, options))
        print("(raylet) a node is gone")  # a cluster's own words must not get into the summary
        options["on_progress"](SUMMARY)
        return SUMMARY

    monkeypatch.setattr(package, "scan", scan)
    return asked


def test_words_say_what_was_done(
    scanned: list[tuple[ScanPlan, dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["scan", "a", "b/*.jpg", "--out", "t.parquet"]) == 0
    out = capsys.readouterr().out
    for part in ("120 rows in t.parquet", "100 judged now", "0:00:50", "2.0 a second", "20 from an earlier run"):
        assert part in out
    assert "2 not judged: corrupt_media" in out
    (plan, options) = scanned[0]
    assert plan.sources == ("a", "b/*.jpg")
    assert options["make_executor"] is None
    assert not options["is_fresh"]


def test_json_and_options(
    scanned: list[tuple[ScanPlan, dict[str, Any]]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = ["--quick", "--no-provenance", "--fresh", "--processes", "3", "--part-rows", "7", "--device", "cpu"]
    assert run(["scan", "a", "--out", str(tmp_path / "t.parquet"), "--json", *options]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["errors"] == {"corrupt_media": 2}
    assert (facts["rows"], facts["resumed"], facts["duplicates"]) == (120, 20, 5)
    plan, given = scanned[0]
    assert (plan.processes, plan.part_rows, plan.settings.device) == (3, 7, "cpu")
    assert not plan.settings.check_stability
    assert not plan.settings.read_provenance
    assert not plan.settings.locate
    assert given["is_fresh"]


def test_progress_shows_rate_and_remaining_time() -> None:
    going = ScanSummary(rows=600, total=20_000, rate=10.0, errors=Counter(corrupt_media=1))
    assert command._line(going) == "600 of 20000 files, 10.0/s, 0:32:20 left, 1 errors"
    assert command._line(ScanSummary(rows=5, rate=2.0)) == "5 files, 2.0/s"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(ConfigError("the source has changed"), 2, id="refused"),
        pytest.param(EngineError("no model"), 1, id="failed"),
        pytest.param(KeyboardInterrupt(), 130, id="interrupted"),
    ],
)
def test_exit_codes(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any, **__: Any) -> ScanSummary:
        raise error

    monkeypatch.setattr(package, "scan", fail)
    assert run(["scan", "a", "--out", "t.parquet"]) == code
    assert capsys.readouterr().out == ""


def test_ray_is_asked_for_by_name(scanned: list[tuple[ScanPlan, dict[str, Any]]]) -> None:
    from detect.scan.ray import make_executor

    assert run(["scan", "a", "--out", "t.parquet", "--engine", "ray"]) == 0
    assert scanned[0][1]["make_executor"] is make_executor

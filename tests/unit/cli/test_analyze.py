"""The main job of the command: order, modes, exit codes; a stand-in analyzer gives the Reports."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from io import BytesIO, TextIOWrapper
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detect.analyzer import AnalyzerSettings
from detect.cli.app import run
from detect.types import Report, Verdict
from tests.unit.render.samples import failed_report, picture_report

Run = Callable[..., int]


class StandIn:
    """Give a Report by the name of the file: `broken` fails, `auth` is authentic, all else is synthetic."""

    settings: list[AnalyzerSettings] = []  # noqa: RUF012 - cleared by the fixture

    def __init__(self, settings: AnalyzerSettings) -> None:
        self.settings.append(settings)

    def analyze_many(self, files: Iterable[str]) -> Iterator[Report]:
        for file in files:
            name = Path(file).name
            if name == "interrupt":
                raise KeyboardInterrupt
            if "broken" in name or not Path(file).exists():
                yield failed_report(file)
            else:
                verdict = Verdict.LIKELY_AUTHENTIC if "auth" in name else Verdict.LIKELY_SYNTHETIC
                report = picture_report(path=file, verdict=verdict)
                sha256 = hashlib.sha256(Path(file).read_bytes()).hexdigest()
                yield replace(report, media=replace(report.media, sha256=sha256))


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("detect.analyzer.Analyzer", StandIn)
    StandIn.settings.clear()
    for name in ("auth.jpg", "synth.jpg", "broken.jpg", "other.jpg"):
        Image.fromarray(np.zeros((8, 8, 3), dtype=np.uint8)).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines_of(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_file_without_command_word_is_analysed(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["auth.jpg"]) == 0
    assert capsys.readouterr().out.startswith("auth.jpg\n✓ Likely authentic\n")


def test_json_is_one_report_a_line_in_the_order_given(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--json", "synth.jpg", "missing.jpg", "auth.jpg"]) == 1
    out = capsys.readouterr().out
    assert [line["path"] for line in lines_of(out)] == ["synth.jpg", "missing.jpg", "auth.jpg"]


def test_failed_file_sets_exit_code_one_and_the_batch_goes_on(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["broken.jpg", "auth.jpg"]) == 1
    out = capsys.readouterr().out
    assert "Could not be judged" in out
    assert "Likely authentic" in out
    assert "2 files: 1 likely authentic, 1 could not be judged" in out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["synth.jpg", "--fail-on", "likely_synthetic"], 3),
        (["auth.jpg", "--fail-on", "likely_synthetic"], 0),
        (["auth.jpg", "synth.jpg", "--fail-on", "inconclusive", "--fail-on", "likely_synthetic"], 3),
        (["broken.jpg", "synth.jpg", "--fail-on", "likely_synthetic"], 3),
        (["broken.jpg", "--fail-on", "not_applicable"], 1),
        (["auth.jpg", "--fail-on", "fake"], 2),
        (["auth.jpg", "--max-false-positive-rate", "0.9"], 2),
        (["auth.jpg", "--no-such-option"], 2),
        (["auth.jpg", "--html", "no/such/folder/page.html"], 2),
        (["--json"], 2),
        (["-", "-"], 2),
        (["--files-from", "no-such-list"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_exit_codes(files: Path, arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == code
    assert "Traceback" not in capsys.readouterr().err


def test_options_reach_the_analyzer(files: Path) -> None:
    arguments = ["--quick", "--no-provenance", "--device", "cpu", "--max-false-positive-rate", "0.01", "auth.jpg"]
    assert run(arguments) == 0
    (settings,) = StandIn.settings
    assert settings == AnalyzerSettings(
        max_false_positive_rate=0.01, device="cpu", check_stability=False, read_provenance=False
    )


def test_more_than_a_few_files_get_one_line_each(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["."])
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if ".jpg" in line]) == 4
    assert lines[-1] == "4 files: 1 likely authentic, 2 likely made by a machine, 1 could not be judged"


def test_full_cards_can_be_asked_for(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["--full", "."])
    assert capsys.readouterr().out.count("What this cannot tell") == 3


def test_page_holds_every_file_and_its_picture(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--json", "--html", "page.html", "auth.jpg", "broken.jpg"]) == 1
    page = (files / "page.html").read_text(encoding="utf-8")
    assert "auth.jpg" in page
    assert "corrupt_media" in page
    assert page.count("data:image/jpeg") == 1
    captured = capsys.readouterr()
    assert len(lines_of(captured.out)) == 2
    assert "Wrote page.html" in captured.err
    assert list(files.glob(".witnessmark-*")) == []


def test_a_page_called_pdf_is_drawn_as_one(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detect.cli.page.format_pdf", lambda html: b"%PDF-" + str(len(html)).encode())
    assert run(["--json", "--html", "page.pdf", "auth.jpg"]) == 0
    assert (files / "page.pdf").read_bytes().startswith(b"%PDF-")


def test_bytes_on_stdin_are_judged_and_named_by_a_dash(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO((files / "auth.jpg").read_bytes())))
    assert run(["--json", "-"]) == 0
    assert [line["path"] for line in lines_of(capsys.readouterr().out)] == ["-"]


@pytest.mark.parametrize("list_bytes", [b"auth.jpg\n\nsynth.jpg\n", b"auth.jpg\0synth.jpg\0"], ids=["lines", "nul"])
def test_list_on_stdin_names_files(
    files: Path, list_bytes: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(list_bytes)))
    assert run(["--json", "--files-from", "-"]) == 0
    assert [line["path"] for line in lines_of(capsys.readouterr().out)] == ["auth.jpg", "synth.jpg"]


def test_interrupt_ends_with_130_and_without_traceback(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "interrupt").write_bytes(b"x")
    assert run(["auth.jpg", "interrupt"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_mistyped_command_gets_a_hint(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["modles", "list"])
    assert "did you mean the command: witnessmark models" in capsys.readouterr().err


def test_file_called_like_a_command_is_reached_by_its_path(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "auth.jpg").rename(files / "models")
    assert run(["./models", "--json"]) == 0
    assert run(["analyze", "models", "--json"]) == 0
    assert [line["path"] for line in lines_of(capsys.readouterr().out)] == ["./models", "models"]

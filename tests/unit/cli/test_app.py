"""The table of commands: routing, lazy loading, help, and what a user can cause."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import typer

from detect import __version__
from detect.cli import app as cli
from detect.cli.app import COMMANDS, CommandRow, available, build_app, route, run

HELP_CPU_SECONDS = 0.7


@pytest.mark.parametrize(
    ("arguments", "routed"),
    [
        (["photo.jpg"], ["analyze", "photo.jpg"]),
        (["--json", "photo.jpg"], ["analyze", "--json", "photo.jpg"]),
        (["-"], ["analyze", "-"]),
        (["--", "models"], ["analyze", "--", "models"]),
        (["./models"], ["analyze", "./models"]),
        (["models", "list"], ["models", "list"]),
        (["--help"], ["--help"]),
        (["--show-completion=bash"], ["--show-completion=bash"]),
        ([], ["--help"]),
    ],
    ids=lambda value: " ".join(value) or "nothing",
)
def test_what_is_no_command_goes_to_analyze(arguments: list[str], routed: list[str]) -> None:
    assert route(arguments) == routed


def test_word_whose_module_is_absent_does_not_shadow_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "later", CommandRow("no_such_module", "Later."))
    assert "later" not in available()
    assert route(["later"]) == ["analyze", "later"]


@pytest.mark.parametrize("name", sorted(available()))
def test_every_command_registers_its_name_and_helps(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    assert f"witnessmark {name}" in capsys.readouterr().out


def test_help_lists_all_commands_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out for name in available())
    assert "Exit codes: 0 done" in out


def test_no_arguments_show_the_help_and_are_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "Usage: witnessmark" in capsys.readouterr().out


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"witnessmark {__version__}\n"


def test_help_is_cheap_and_loads_no_heavy_module() -> None:
    code = (
        "import resource, sys; from detect.cli.app import run; run(['--help'])\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print([name for name in ('torch', 'timm', 'PIL', 'scipy', 'jinja2', 'av', 'c2pa') if name in sys.modules])\n"
        "print(used.ru_utime + used.ru_stime)"
    )
    lines = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[-2] == "[]"
    assert float(lines[-1]) < HELP_CPU_SECONDS


def test_missing_package_of_a_command_gives_the_pip_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(name: str) -> ModuleType:
        raise ModuleNotFoundError("No module named 'ray'", name="ray")

    monkeypatch.setitem(COMMANDS, "schema", CommandRow("schema", "Needs more.", extra="scale"))
    monkeypatch.setattr(cli.importlib, "import_module", fail)
    assert run(["schema"]) == 1
    err = capsys.readouterr().err
    assert "pip install 'witnessmark[scale]'" in err
    assert "Traceback" not in err


def test_broken_module_of_our_own_is_not_hidden_as_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> ModuleType:
        raise ModuleNotFoundError("No module named 'detect.nothing'", name="detect.nothing")

    monkeypatch.setattr(cli.importlib, "import_module", fail)
    with pytest.raises(ModuleNotFoundError):
        build_app("schema")


def test_only_the_wanted_command_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    original = cli.importlib.import_module
    monkeypatch.setattr(cli.importlib, "import_module", lambda name: loaded.append(name) or original(name))
    assert isinstance(build_app("schema"), typer.Typer)
    assert loaded == ["detect.cli.schema"]


def test_closed_output_ends_quietly() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(.2); from detect.cli import main; main()", "schema"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()  # the reader goes away before anything is written
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 141
    assert err == b""


def test_module_form_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "detect.cli", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"witnessmark {__version__}\n"


def test_every_row_of_the_table_has_help_text() -> None:
    assert all(row.summary.endswith(".") for row in COMMANDS.values())
    assert (Path(cli.__file__).parent / "analyze.py").is_file()

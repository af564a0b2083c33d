"""Shells complete commands, and the options of the main job without its word; their scripts are named by shell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from detect.cli.app import run
from detect.cli.completion import SHELLS

TYPED = [
    ("witnessmark mod", "models"),
    ("witnessmark models v", "verify"),
    ("witnessmark photo.jpg --ht", "--html"),
    ("witnessmark --json photo.jpg --ht", "--html"),
    ("witnessmark --fail", "--fail-on"),
    ("witnessmark pho", ""),
    ("witnessmark 'unclosed", ""),
]


def offered(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "from detect.cli import main; main()"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.mark.parametrize(("line", "word"), TYPED, ids=lambda value: value or "nothing")
def test_bash_completes(line: str, word: str) -> None:
    place = str(len(line.split()) - 1)
    assert offered(_WITNESSMARK_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=place) == word


@pytest.mark.parametrize(("line", "word"), TYPED, ids=lambda value: value or "nothing")
def test_fish_completes(line: str, word: str) -> None:
    action = {"_TYPER_COMPLETE_FISH_ACTION": "get-args", "_TYPER_COMPLETE_ARGS": line}
    assert offered(_WITNESSMARK_COMPLETE="complete_fish", **action).partition("\t")[0] == word


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("form", ["--show-completion {}", "--show-completion={}"])
def test_script_is_that_of_the_named_shell(form: str, shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(form.format(shell).split()) == 0
    script = capsys.readouterr().out
    family = "powershell" if shell == "pwsh" else shell
    assert f"complete_{family}" in script
    if shutil.which(shell) and shell in ("bash", "zsh", "fish"):
        subprocess.run([shell, "-n"], input=script, text=True, check=True, capture_output=True)


def test_unknown_shell_is_a_usage_error_that_lists_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--show-completion", "tcsh"]) == 2
    assert "bash, zsh, fish" in capsys.readouterr().err


def test_installed_script_of_zsh_completes_at_the_first_tab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run(["--install-completion", "zsh"]) == 0
    script = (tmp_path / ".zfunc" / "_witnessmark").read_text(encoding="utf-8")
    assert script.startswith("#compdef witnessmark\n")
    assert script.rstrip().endswith('_witnessmark_completion "$@"\nfi')


def test_installed_script_is_found_by_fish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run(["--install-completion=fish"]) == 0
    assert (tmp_path / ".config" / "fish" / "completions" / "witnessmark.fish").read_text(encoding="utf-8").strip()

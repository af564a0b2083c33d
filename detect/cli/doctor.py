"""`witnessmark doctor`: what is installed, where models run, what is missing, and the line that mends it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer

from detect.cli.checks import CHECKS, Finding, Level
from detect.cli.exits import ExitCode
from detect.cli.output import emit, has_color
from detect.text import clean_text

_COLORS = {Level.OK: "32", Level.NOTE: "2", Level.WARN: "33", Level.FAIL: "31"}


def register(app: typer.Typer) -> None:
    """Add `doctor` to the command."""
    app.command("doctor")(doctor)


def doctor(is_json: Annotated[bool, typer.Option("--json", help="Print JSON Lines, one a finding.")] = False) -> None:
    """Say what is installed, which device and models judge, what is missing, and the line that mends it.

    Exit codes: 0 files can be judged (optional parts may be missing); 1 they cannot.
    """
    has_failed = False
    for finding in examine():
        has_failed = has_failed or finding.level is Level.FAIL
        emit(json.dumps(asdict(finding)) + "\n" if is_json else _shown(finding))
    if not is_json:
        emit("\nFiles cannot be judged here yet: see fail above.\n" if has_failed else "\nFiles can be judged here.\n")
    if has_failed:
        raise typer.Exit(ExitCode.ERROR)


def examine() -> Iterator[Finding]:
    """Yield the findings of all checks; a check that breaks is a finding of its own."""
    for check in CHECKS:
        try:
            yield from check()
        except Exception as error:  # a doctor that dies of the illness helps nobody
            area = check.__name__.removeprefix("check_")
            yield Finding(area, Level.FAIL, clean_text(f"{type(error).__name__}: {error}", max_characters=300))


def _shown(finding: Finding) -> str:
    word = f"{finding.level.value:<4}"
    if has_color():
        word = f"\x1b[{_COLORS[finding.level]}m{word}\x1b[0m"
    mend = f"\n{'':18}mend: {finding.mend}" if finding.mend else ""
    return f"{word} {finding.area:<12} {clean_text(finding.text, max_characters=600)}{mend}\n"

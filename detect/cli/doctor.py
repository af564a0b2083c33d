"""`witnessmark doctor`: what is installed, where models run, what is missing, and the line that mends it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer

from detect.cli.checks import CHECKS
from detect.cli.exits import ExitCode
from detect.cli.extras import FOR_ANSWERS
from detect.cli.findings import Finding, Level, pip_install
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
    found = []
    for finding in examine():
        found.append(finding)
        emit(json.dumps(asdict(finding)) + "\n" if is_json else _shown(finding))
    if not is_json:
        emit(f"\n{_sum_up(found)}\n")
    if any(finding.level is Level.FAIL for finding in found):
        raise typer.Exit(ExitCode.ERROR)


def _sum_up(found: list[Finding]) -> str:
    """Return what a newcomer needs of all lines: can files be judged, and is there evidence that is left out."""
    if any(finding.level is Level.FAIL for finding in found):
        return "Files cannot be judged here yet: see fail above."
    absent = [finding.text.split()[0] for finding in found if finding.area == "extras" and finding.level is Level.NOTE]
    wanted = [extra for extra in FOR_ANSWERS if extra in absent]
    if not wanted:
        return "Files can be judged here."
    line = pip_install(f"'witnessmark[{','.join(wanted)}]'")
    return f"Files can be judged here. All notes are optional; more evidence comes with:\n  {line}"


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

"""`witnessmark trust`: install C2PA trust lists when asked, and say how old they are."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from detect.cli.exits import ExitCode
from detect.cli.output import emit, tell
from detect.provenance.settings import ProvenanceSettings
from detect.text import clean_text

app = typer.Typer(no_args_is_help=True, help="Install and show C2PA trust lists.")

TrustDirOption = Annotated[
    Path | None,
    typer.Option("--trust-dir", metavar="FOLDER", help="Folder of trust lists; WITNESSMARK_TRUST_DIR if left out."),
]


def register(parent: typer.Typer) -> None:
    """Add `trust` to the command."""
    parent.add_typer(app, name="trust")


@app.command("update")
def update(
    source: Annotated[
        str | None,
        typer.Argument(metavar="[FILE|FOLDER|URL]", help="Where the list is; the C2PA's own address if left out."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--as", metavar="LIST", help="What a bare PEM file is: official, interim_frozen, custom, ..."),
    ] = None,
    trust_dir: TrustDirOption = None,
) -> None:
    """Install trust lists; without an argument this asks the internet, and is the only command that does so."""
    from detect.provenance.trust_install import INTERIM_ADDRESS, install_from, install_official

    settings = ProvenanceSettings(trust_dir=trust_dir)
    folder, now = settings.resolved_trust_dir(), settings.current_time()
    if source is None:
        tell("Fetching the official C2PA lists ...")
        done = install_official(folder=folder, now=now)
    else:
        done = install_from(INTERIM_ADDRESS if source == "interim" else source, folder=folder, name=name, now=now)
    for item in done:
        due = f", next update {item.next_update}" if item.next_update else ""
        emit(f"{item.name}: {item.entries} entries from {clean_text(item.source)}{clean_text(due)}\n")
    emit(f"Installed in {clean_text(folder)}\n")


@app.command("status")
def status(
    trust_dir: TrustDirOption = None,
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show which lists are installed, their dates and whether they are past their update; exit with 1 when stale."""
    from detect.provenance.trust import ListState, load_trust

    settings = ProvenanceSettings(trust_dir=trust_dir)
    folder = settings.resolved_trust_dir()
    facts = load_trust(folder).status(settings.current_time())
    if is_json:
        emit(json.dumps({"folder": str(folder), "lists": [asdict(item) for item in facts]}) + "\n")
    else:
        emit(f"Trust lists in {clean_text(folder)}\n")
        for item in facts:
            dates = [
                f"issued {item.issued}" if item.issued else "",
                f"due {item.next_update}" if item.next_update else "",
            ]
            told = ", ".join(filter(None, dates))
            emit(f"  {item.name:<15} {item.state.value:<8} {item.entries:4d} entries  {clean_text(told)}\n")
        official = next(item for item in facts if item.name == "official")
        if official.state is ListState.MISSING:
            tell("No official list: signers cannot be recognised. Install it with: witnessmark trust update")
    if any(item.state is ListState.STALE for item in facts):
        raise typer.Exit(ExitCode.ERROR)

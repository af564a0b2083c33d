"""`witnessmark keys`: create, list, rotate and revoke API keys of the service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from detect.cli.exits import ExitCode
from detect.cli.output import emit, tell
from detect.cli.serve import load_settings
from detect.text import clean_text

if TYPE_CHECKING:
    from api.keys import KeyStore

app = typer.Typer(no_args_is_help=True, help="Create, list, rotate and revoke API keys of the service.")

KeyArgument = Annotated[str, typer.Argument(help="Id of the key, or its prefix as `keys list` shows it.")]


def register(parent: typer.Typer) -> None:
    """Add `keys` to the command."""
    parent.add_typer(app, name="keys")


@app.command("create")
def create_command(
    name: Annotated[str, typer.Option(help="What the key is for.")],
    scopes: Annotated[str, typer.Option(help="Some of analyze, read, admin, with commas.")] = "analyze,read",
    days: Annotated[float | None, typer.Option(help="Days until it ends; never if left out.", min=0.001)] = None,
) -> None:
    """Make a key and print it; it cannot be shown again."""
    with _keys() as keys:
        row, secret = keys.create(name, [item.strip() for item in scopes.split(",") if item.strip()], days=days)
    emit(secret + "\n")
    tell(f"{row.id}: keep the key now, it cannot be shown again.")


@app.command("list")
def list_command(is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List keys without their secrets."""
    from api.schemas import key_body

    with _keys() as keys:
        rows = keys.list()
    if is_json:
        emit("".join(json.dumps(key_body(row).model_dump(mode="json")) + "\n" for row in rows))
        return
    for row in rows:
        end = min((item for item in (row.expires_at, row.revoked_at) if item is not None), default=None)
        state = "active" if end is None else f"ends {datetime.fromtimestamp(end, UTC):%Y-%m-%d %H:%M}"
        emit(f"{row.id}  {row.prefix}...  {','.join(row.scopes):<18} {state:<24} {clean_text(row.name)}\n")


@app.command("rotate")
def rotate_command(
    key: KeyArgument,
    grace_hours: Annotated[float, typer.Option(help="How long the old key works on.", min=0)] = 24.0,
) -> None:
    """Make a successor of a key and print it; the old key works on for a while."""
    with _keys() as keys:
        row, secret = keys.rotate(key, grace_s=grace_hours * 3600)
    emit(secret + "\n")
    tell(f"{row.id}: keep the key now; the old one ends in {grace_hours:g} hours.")


@app.command("revoke")
def revoke_command(key: KeyArgument) -> None:
    """End a key at once."""
    with _keys() as keys:
        if not keys.revoke(key):
            tell(f"There is no key {clean_text(key)}.")
            raise typer.Exit(ExitCode.ERROR)


@contextmanager
def _keys() -> Iterator[KeyStore]:
    from api.database import Database
    from api.keys import KeyStore

    database = Database(load_settings().database)
    try:
        database.upgrade()
        yield KeyStore(database)
    finally:
        database.close()

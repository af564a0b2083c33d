"""`witnessmark schema`: the JSON schema of a Report, for those who check or generate code."""

from __future__ import annotations

import json

import typer

from detect.cli.output import emit


def register(app: typer.Typer) -> None:
    """Add `schema` to the command."""
    app.command("schema")(schema)


def schema() -> None:
    """Print the JSON schema of a Report, as published in docs/report.schema.json."""
    from detect.render.schema import report_schema

    emit(json.dumps(report_schema(), indent=2, ensure_ascii=False) + "\n")

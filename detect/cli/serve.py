"""`witnessmark serve`: run the HTTP API and the page."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from api.settings import Settings
from detect.cli.output import tell
from detect.errors import ConfigError


class Role(StrEnum):
    """What this process does."""

    ALL = "all"
    API = "api"
    WORKER = "worker"


class ServeEngine(StrEnum):
    """Where files are judged."""

    LOCAL = "local"
    RAY = "ray"


def register(app: typer.Typer) -> None:
    """Add `serve` to the command."""
    app.command("serve", help="Run the HTTP API and the page.")(serve_command)


def serve_command(
    host: Annotated[str | None, typer.Option(help="Address to listen on [default: 127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on [default: 8000].")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N.")] = None,
    engine: Annotated[
        ServeEngine | None, typer.Option(help="local: judge in this process; ray: on a Ray cluster (docs/scale.md).")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file of settings; see docs/api.md.")] = None,
    role: Annotated[Role, typer.Option(help="all: calls and work; api: calls only; worker: work only.")] = Role.ALL,
) -> None:
    """Run until interrupted; every setting can also come from WITNESSMARK_... variables."""
    if config is not None:
        os.environ["WITNESSMARK_CONFIG"] = str(config)
    settings = load_settings(host=host, port=port, device=device, engine=engine.value if engine else None)
    from api.server import serve

    if role is not Role.WORKER:
        key = "with an API key" if settings.needs_key else "without a key"
        tell(f"Witnessmark on http://{settings.host}:{settings.port} ({key}); data in {settings.data_dir}")
    serve(settings, role.value)


def load_settings(**given: Any) -> Settings:
    """Return the settings; arguments that are None leave the word to environment and file.

    Raises:
        ConfigError: A value does not fit; the message names the setting, not the value, which may be secret.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors())
        raise ConfigError(f"settings: {faults}") from error

"""`witnessmark models`: list, describe and verify the trained models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detect.cli.exits import ExitCode
from detect.cli.output import emit, tell
from detect.errors import WeightsMismatchError
from detect.text import clean_text

if TYPE_CHECKING:
    from detect.networks.zoo import ModelFolder

app = typer.Typer(no_args_is_help=True, help="List, describe and verify the trained models.")

FolderOption = Annotated[
    Path | None,
    typer.Option("--models-dir", metavar="FOLDER", help="A folder of model folders; the shipped one if left out."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(parent: typer.Typer) -> None:
    """Add `models` to the command."""
    parent.add_typer(app, name="models")


@app.command("list")
def list_command(models_dir: FolderOption = None, is_json: JsonOption = False) -> None:
    """List the models: name, version, what they judge, licence and hash."""
    from detect.networks.zoo import list_models
    from detect.networks.zoo import models_dir as models_dir_of

    models = list_models(models_dir)
    if is_json:
        emit("".join(json.dumps(_facts(model)) + "\n" for model in models))
        return
    if not models:
        tell(f"No models in {models_dir_of(models_dir)}.")
    for model in models:
        facts = _facts(model)
        emit(
            f"{clean_text(facts['name']):<12} {clean_text(facts['version']):<10} {clean_text(facts['kind']):<8} "
            f"{facts['bytes'] / 1e6:6.1f} MB  {clean_text(facts['sha256'])[:12]}  {clean_text(facts['license'])}\n"
        )


@app.command("info")
def info_command(
    name: Annotated[str, typer.Argument(help="Name of a model, or a model folder.")],
    models_dir: FolderOption = None,
    is_json: JsonOption = False,
) -> None:
    """Show a model's facts and its card: use, limits, training data, measured errors."""
    from detect.networks.zoo import find_model

    model = find_model(name, folder=models_dir)
    if is_json:
        metrics = model.path / "metrics.json"
        measured = json.loads(metrics.read_text(encoding="utf-8")) if metrics.is_file() else None
        emit(json.dumps({**_facts(model), "config": dict(model.config), "metrics": measured}) + "\n")
        return
    for key, value in _facts(model).items():
        emit(f"{key:<9} {clean_text(value)}\n")
    card = model.path / "README.md"
    if card.is_file():
        lines = _without_front_matter(card.read_text(encoding="utf-8")).splitlines()
        emit("\n" + "\n".join(clean_text(line, max_characters=2000) if line.strip() else "" for line in lines) + "\n")


@app.command("verify")
def verify_command(
    names: Annotated[list[str] | None, typer.Argument(help="Models to verify; all if left out.")] = None,
    models_dir: FolderOption = None,
) -> None:
    """Check the weights against the hashes in their configs; exit with 1 when one differs."""
    from detect.networks.zoo import find_model, list_models

    models = [find_model(name, folder=models_dir) for name in names] if names else list_models(models_dir)
    has_failed = not models
    if not models:
        emit("no models found\n")
    for model in models:
        try:
            model.verify()
        except WeightsMismatchError as error:
            has_failed = True
            emit(f"{clean_text(model.name):<12} DIFFERS  {clean_text(error, max_characters=1000)}\n")
        else:
            emit(f"{clean_text(model.name):<12} ok       {model.ref.sha256}\n")
    if has_failed:
        raise typer.Exit(ExitCode.ERROR)


def _without_front_matter(text: str) -> str:
    """Return a card without the block that only hubs read."""
    return text.partition("\n---\n")[2] if text.startswith("---\n") else text


def _facts(model: ModelFolder) -> dict[str, Any]:
    """Return what `list` and `info` show of a model."""
    size = model.weights.stat().st_size if model.weights.is_file() else 0
    return {
        "name": model.name,
        "version": str(model.config["version"]),
        "kind": str(model.config["kind"]),
        "license": str(model.config["license"]),
        "sha256": model.ref.sha256,
        "bytes": size,
        "folder": str(model.path),
    }

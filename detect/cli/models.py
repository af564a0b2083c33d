"""`witnessmark models`: list, describe, verify, prepare and export the trained models."""

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

app = typer.Typer(no_args_is_help=True, help="List, describe, verify and prepare the trained models.")

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


@app.command("prepare")
def prepare_command(
    names: Annotated[list[str] | None, typer.Argument(help="Models to prepare; all if left out.")] = None,
    models_dir: FolderOption = None,
) -> None:
    """Make the graphs that models run on a CPU, which the first start would else make; for images and installers.

    They lie in the folder that WITNESSMARK_CACHE names, else in the user's cache.
    """
    from detect.networks.graphs import cache_dir, prepare_graphs
    from detect.networks.zoo import find_model, list_models

    for model in [find_model(name, folder=models_dir) for name in names] if names else list_models(models_dir):
        size = prepare_graphs(model)
        emit(f"{clean_text(model.name):<12} {size / 1e6:6.1f} MB in {clean_text(cache_dir())}\n")


@app.command("export")
def export_command(
    name: Annotated[str, typer.Argument(help="Name of a model, or a model folder.")],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder to write.")],
    is_int8: Annotated[
        bool, typer.Option("--int8", help="Quantize to 8 bits; needs --manifest, and accuracy that holds.")
    ] = False,
    manifest: Annotated[
        Path | None, typer.Option("--manifest", metavar="FILE", help="Labelled files that 8 bits are measured on.")
    ] = None,
    ranges_from: Annotated[
        str, typer.Option("--ranges-from", help="Split that value ranges are taken from.")
    ] = "train",
    compare_on: Annotated[str, typer.Option("--compare-on", help="Split that accuracy is compared on.")] = "val",
    limit: Annotated[int, typer.Option("--limit", min=0, help="Most files compared; 0 = all.")] = 0,
    models_dir: FolderOption = None,
    is_json: JsonOption = False,
) -> None:
    """Write a model as an ONNX graph and check it against the network; exit with 1 when it does not hold.

    Without --int8 the folder gets `model.onnx` and the config. With it the folder is a whole model that runs in 8 bits:
    use it with --models-dir; it is only written when balanced accuracy falls by at most 0.2 points.
    """
    from dataclasses import asdict

    from detect.networks.zoo import find_model
    from detect.training.export import export_model

    model = find_model(name, folder=models_dir)
    if is_int8:
        if manifest is None:
            raise typer.BadParameter("--int8 needs --manifest with labelled files")
        _export_int8(model, out, manifest, (ranges_from, compare_on), limit=limit, is_json=is_json)
        return
    done = export_model(model, out)
    if is_json:
        emit(json.dumps({**asdict(done), "graph": str(done.graph)}) + "\n")
    else:
        emit(
            f"{clean_text(done.graph)}: differs from the network by at most {done.difference:.1e} in authenticity "
            f"({done.probes} probes)\n"
        )


def _export_int8(
    model: ModelFolder, out: Path, manifest: Path, splits: tuple[str, str], *, limit: int, is_json: bool
) -> None:
    import random
    from dataclasses import asdict

    from detect.bench.data.manifest import read_manifest
    from detect.networks.graphs import export_folder
    from detect.training.export import write_model_with_graph
    from detect.training.int8 import compare, quantize

    model.verify()
    ranges, compared = (
        random.Random(0).sample(items, len(items))  # noqa: S311 - a fixed order that mixes sources, no secret
        for items in (read_manifest(manifest, kinds=("image",), splits=(split,)).items for split in splits)
    )
    plain = export_folder(model)
    small = quantize(model, plain, ranges)
    found = compare(model, plain, small, compared[: limit or None])
    if found.is_accepted:
        facts: dict[str, object] = {"bits": 8, "measured": asdict(found)}
        write_model_with_graph(model, out, small, facts)
    if is_json:
        emit(json.dumps({**asdict(found), "accepted": found.is_accepted}) + "\n")
    else:
        emit(
            f"balanced accuracy {100 * found.accuracy_float:.2f} % -> {100 * found.accuracy_int8:.2f} % on "
            f"{found.files} files; {found.speed_ratio:.2f} times the speed; mean |difference| of llr "
            f"{found.mean_difference:.3f}\n"
            + (f"written to {clean_text(out)}\n" if found.is_accepted else "not accepted, nothing written\n")
        )
    if not found.is_accepted:
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

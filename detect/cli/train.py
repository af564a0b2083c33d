"""`witnessmark train RECIPE`: recipe in, model folder out."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from detect.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add the `train` command."""
    app.command("train")(train)


def train(
    recipe: Annotated[Path, typer.Argument(help="A recipe.toml, such as models/image/recipe.toml.")],
    manifest: Annotated[
        list[Path] | None,
        typer.Option(help="Manifest (CSV, JSONL, Parquet) instead of the recipe's; repeat for several."),
    ] = None,
    work: Annotated[
        Path | None, typer.Option(help="Folder for crops and checkpoints (GBs); default runs/NAME.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Model folder to write; default the recipe's own folder.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 = as torch chooses.")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start anew instead of taking up a stopped run.")] = False,
) -> None:
    """Train a model: weights, config and calibration from a recipe and a manifest.

    Progress goes to stderr and to log.jsonl in the work folder. A stopped run goes on where its last checkpoint was.
    """
    import torch

    from detect.networks.device import pick_device
    from detect.training.recipes import open_recipe

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if threads:
        torch.set_num_threads(threads)
    head = open_recipe(recipe)
    kind, folder = head.kind, work or Path("runs") / head.name
    chosen = pick_device(device)
    if kind == "image":
        from detect.training.image.run import train as train_image

        written = train_image(recipe, manifests=manifest or (), work=folder, out=out, device=chosen, resume=not fresh)
    elif kind == "speech":
        from detect.training.speech import train as train_speech

        written = train_speech(recipe, manifests=manifest or (), work=folder, out=out, device=chosen, resume=not fresh)
    elif kind == "face":
        from detect.training.face.run import train as train_face

        written = train_face(recipe, manifests=manifest or (), work=folder, out=out, device=chosen, resume=not fresh)
    elif kind == "video":
        from detect.training.video.run import train as train_video

        written = train_video(recipe, manifests=manifest or (), work=folder, out=out, device=chosen, resume=not fresh)
    else:
        raise ConfigError(f"recipe {recipe}: [recipe] kind is {kind!r}; expected 'image', 'speech', 'face' or 'video'")
    typer.echo(str(written))

"""`witnessmark calibrate`: fit likelihood ratios and thresholds to labelled files, and say how good they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from detect.cli.output import emit, tell


def register(app: typer.Typer) -> None:
    """Add `calibrate` to the command."""
    app.command("calibrate")(calibrate)


def calibrate(
    run: Annotated[Path, typer.Argument(help="Run folder of `witnessmark bench` with the labelled files' scores.")],
    out: Annotated[Path, typer.Option(help="Folder for calibration.json and reliability.svg.")],
    detector: Annotated[str, typer.Option(help="Its name in the run.")] = "ours-cheap",
    perturbation: Annotated[
        list[str] | None, typer.Option(help="Use only rows under these changes. Default: all of the run.")
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Groups of origins for the held-out figures.")] = 5,
    miss_rate: Annotated[float, typer.Option(help="Share of fakes that may be called authentic.")] = 0.05,
    model: Annotated[str, typer.Option(help="Model to copy with the new calibration: its name, or a folder.")] = "",
    model_out: Annotated[Path | None, typer.Option(help="Where the copy goes, e.g. my-models/image.")] = None,
) -> None:
    """Fit scores to labelled files of your own.

    First score them: witnessmark bench image --manifest mine.csv --split "" --detector ours-cheap --perturbation none
    --train-split "" --out runs/mine. Then: witnessmark calibrate runs/mine --out runs/mine --model image
    --model-out my-models/image, and use it with WITNESSMARK_MODELS=my-models.
    """
    from detect.bench.calibrate import CalibrationSettings
    from detect.bench.calibration_files import calibrate_run, copy_model, describe

    settings = CalibrationSettings(folds=folds, miss_rate=miss_rate)
    block = calibrate_run(run, out, detector=detector, perturbations=tuple(perturbation or ()), settings=settings)
    emit(describe(block))
    tell(f"written: {out}/calibration.json, {out}/reliability.svg")
    if model and model_out is not None:
        from detect.networks.zoo import find_model

        copy_model(find_model(model).path, model_out, block)
        tell(f"written: {model_out} ({json.dumps(block['id'])})")
    elif model or model_out is not None:
        raise typer.BadParameter("--model and --model-out belong together")

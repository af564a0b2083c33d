"""Calibrations on disk: from a run folder to `calibration.json`, its chart, and a copy of a model that uses it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from detect.bench.calibrate import CalibrationSettings, calibrate
from detect.bench.report import read_run
from detect.bench.tables.chart import Axis, Curve, line_chart
from detect.bench.tables.markdown import render_table
from detect.bench.tables.model import Table
from detect.errors import ConfigError

FILE_NAME = "calibration.json"
_MODEL_KEYS = ("id", "slope", "intercept", "cap", "thresholds", "n_real", "n_fake", "data_hash")


def calibrate_run(
    run_folder: Path,
    out: Path,
    *,
    detector: str,
    perturbations: tuple[str, ...] = (),
    settings: CalibrationSettings | None = None,
) -> dict[str, Any]:
    """Fit a calibration to a run's rows, write `calibration.json` and `reliability.svg` into `out`, return the block.

    Raises:
        ConfigError: No rows of that detector, or too few sources and generators.
    """
    rows, run = read_run(run_folder)
    chosen = [
        row
        for row in rows
        if row.detector == detector and (not perturbations or row.perturbation.partition("@")[0] in perturbations)
    ]
    if not chosen:
        known = ", ".join(sorted({row.detector for row in rows}))
        raise ConfigError(f"{run_folder} holds no rows of {detector!r} under these changes (there are: {known})")
    kind = chosen[0].kind
    data_hash = str(run.get("data_hash", ""))
    digest = sha256(f"{data_hash}{detector}{run.get('detectors', {}).get(detector, '')}".encode()).hexdigest()[:8]
    block = calibrate(
        chosen,
        calibration_id=f"{kind or 'media'}-{digest}",
        kind=kind,
        data_hash=data_hash,
        settings=settings or CalibrationSettings(),
    )
    out.mkdir(parents=True, exist_ok=True)
    (out / FILE_NAME).write_text(json.dumps(block, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    curve = {f"{block['id']}: held-out Cllr {block['held_out']['cllr']:.3f}": block["held_out"]["reliability"]}
    (out / "reliability.svg").write_text(draw_reliability(curve), encoding="utf-8")
    return block


def copy_model(model: Path, target: Path, block: Mapping[str, Any]) -> None:
    """Copy a model folder with this calibration in its config.json; cards and figures of the old one stay behind.

    Raises:
        ConfigError: `model` is no model folder, or `target` exists.
    """
    if not (model / "config.json").is_file():
        raise ConfigError(f"{model} is not a model folder: no config.json")
    if target.exists():
        raise ConfigError(f"{target} exists; a calibration never overwrites a model")
    shutil.copytree(
        model,
        target,
        ignore=shutil.ignore_patterns("metrics.json", "error_card.json", "ERROR_CARD.md", "reliability.svg"),
    )
    config = json.loads((target / "config.json").read_text(encoding="utf-8"))
    config["calibration"] = {key: block[key] for key in _MODEL_KEYS}
    (target / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def draw_reliability(curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Return the reliability chart (SVG): stated against observed probability, a curve a name.

    Args:
        curves: Lines as `detect.bench.calibrate.reliability` gives them, by the name for the legend.
    """
    drawn = [
        Curve(
            name,
            [line["stated"] for line in lines],
            [line["observed"]["value"] for line in lines],
            [line["observed"]["low"] for line in lines],
            [line["observed"]["high"] for line in lines],
            has_marks=True,
            style=place,
        )
        for place, (name, lines) in enumerate(curves.items())
    ]
    axes = Axis("stated P(synthetic)"), Axis("observed share of generated files")
    return line_chart("Reliability on files that the fit never saw", drawn, *axes, diagonal=True)


def describe(block: Mapping[str, Any]) -> str:
    """Return what was fitted and what it reaches, as Markdown."""
    held_out = block["held_out"]
    figures = Table(
        f"Calibration {block['id']}: llr = {block['slope']:g} x score + {block['intercept']:g}, cap {block['cap']:g}",
        ("held-out Cllr", "before", "isotonic", "least possible (PAV)", "ECE", "real", "fake", "sources", "generators"),
        (
            (
                *(f"{held_out[key]:.3f}" for key in ("cllr", "cllr_before", "cllr_isotonic", "min_cllr", "ece")),
                *(str(block[key]) for key in ("n_real", "n_fake", "n_sources", "n_generators")),
            ),
        ),
        f"Held out: {held_out['folds']} folds over origins; no file is judged by a fit that saw its origin.",
    )
    thresholds = Table(
        "Thresholds",
        ("accepted false accusations", "llr that accuses", "llr that acquits"),
        tuple(
            (f"{row['max_false_positive_rate']:g}", f"{row['synthetic_llr']:.3f}", f"{row['authentic_llr']:.3f}")
            for row in block["thresholds"]
        ),
        "A threshold above the cap accuses nothing: the files cannot show so small a rate.",
    )
    return render_table(figures) + "\n" + render_table(thresholds)

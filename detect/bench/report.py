"""A run folder's predictions -> `metrics.json`, `report.md`, `report.html`, `tables.tex` and `plots/`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detect.bench.store import PredictionStore, Row
from detect.bench.summary import SummarySettings, summarize
from detect.bench.tables import latex, markdown, page
from detect.bench.tables.plots import draw_plots
from detect.errors import ConfigError
from detect.serialize import to_plain


def read_run(folder: Path) -> tuple[list[Row], dict[str, Any]]:
    """Return the rows and the `run.json` of a run folder.

    Raises:
        ConfigError: No predictions in it.
    """
    rows = PredictionStore(folder).read()
    if not rows:
        raise ConfigError(f"{folder} holds no predictions")
    facts = folder / "run.json"
    return rows, json.loads(facts.read_text(encoding="utf-8")) if facts.is_file() else {}


def merge_runs(folders: Sequence[Path], out: Path) -> None:
    """Join the rows of runs over the same data into a new run folder.

    Raises:
        ConfigError: Runs of other data or another seed, two versions of one detector, or `out` holds a run already.
    """
    if (out / "run.json").exists():
        raise ConfigError(f"{out} holds a run already")
    rows: list[Row] = []
    joined: dict[str, Any] = {}
    for folder in folders:
        found, run = read_run(folder)
        rows += found
        for key in ("data_hash", "seed"):
            if joined and joined[key] != run.get(key):
                raise ConfigError(f"{folder} is a run with another {key}")
        detectors = {**joined.get("detectors", {}), **run.get("detectors", {})}
        for name, fingerprint in joined.get("detectors", {}).items():
            if detectors[name] != fingerprint:
                raise ConfigError(f"{folder} holds another version of detector {name!r}")
        perturbations = list(dict.fromkeys([*joined.get("perturbations", ()), *run.get("perturbations", ())]))
        joined = {**run, **joined, "detectors": detectors, "perturbations": perturbations}
    store = PredictionStore(out)
    store.append(rows)
    store.merge()
    (out / "run.json").write_text(json.dumps(joined, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_report(
    folder: Path,
    *,
    settings: SummarySettings = SummarySettings(),  # noqa: B008 - frozen
) -> dict[str, Any]:
    """Recompute all metrics of a run folder from its predictions, write the reports beside them, return the metrics."""
    rows, run = read_run(folder)
    summary: dict[str, Any] = to_plain(summarize(rows, settings=settings, run=run))
    (folder / "metrics.json").write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, text in {
        "report.md": markdown.render_report(summary),
        "report.html": page.render_report(summary),
        "tables.tex": latex.render_report(summary),
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    plots = folder / "plots"
    plots.mkdir(exist_ok=True)
    for old in plots.glob("*.svg"):
        old.unlink()
    for name, svg in draw_plots(summary).items():
        (plots / f"{name}.svg").write_text(svg, encoding="utf-8")
    return summary

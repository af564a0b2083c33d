"""What a model folder says of its errors: the error card, the figures behind it, and how far its scores hold.

`error_card.json` and `ERROR_CARD.md`: false accusations by real source, recall by generator. `metrics.json`: all
metrics of the run, peers and baseline included, from which documents quote (`detect.bench.quote`). `reliability.svg`:
stated against observed probability.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detect.bench.calibrate import reliability
from detect.bench.calibration_files import draw_reliability
from detect.bench.report import read_run
from detect.bench.scores import Scores
from detect.bench.store import Row
from detect.bench.summary import SummarySettings, summarize
from detect.bench.tables.markdown import render_table
from detect.bench.tables.model import Table, number, percent
from detect.errors import ConfigError
from detect.serialize import to_plain

CARD_VERSION = "1"


def write_card(folder: Path, model_folder: Path, *, detector: str, replicates: int = 1000) -> str:
    """Write the card, `metrics.json` and `reliability.svg` of a run into a model folder; return the card's Markdown.

    What `metrics.json` held besides bench figures (the held-out figures of a training run) stays when it was written
    for the same weights.

    Raises:
        ConfigError: The folder has no config.json, or the run no rows of that detector.
    """
    config_file = model_folder / "config.json"
    if not config_file.is_file():
        raise ConfigError(f"{model_folder} is not a model folder: no config.json")
    config = json.loads(config_file.read_text(encoding="utf-8"))
    model = {key: str(config.get(key, "")) for key in ("name", "version", "sha256")}
    rows, run = read_run(folder)
    summary: dict[str, Any] = to_plain(summarize(rows, settings=SummarySettings(replicates=replicates), run=run))
    card = make_card(summary, detector=detector, model=model)
    markdown = render_card(card)
    _write_json(model_folder / "error_card.json", card)
    (model_folder / "ERROR_CARD.md").write_text(markdown, encoding="utf-8")
    _write_json(model_folder / "metrics.json", _metrics(summary, config, model_folder / "metrics.json"))
    curves = _reliability([row for row in rows if row.detector == detector])
    if curves:
        (model_folder / "reliability.svg").write_text(draw_reliability(curves), encoding="utf-8")
    return markdown


def _write_json(file: Path, content: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _metrics(summary: Mapping[str, Any], config: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """Return the run's metrics with the weights they belong to, and what a training run noted for the same ones."""
    own = {
        "weights_sha256": config.get("sha256", ""),
        "calibration_id": (config.get("calibration") or {}).get("id", ""),
    }
    before = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    noted = before if before.get("weights_sha256") == own["weights_sha256"] else {}
    curves = ("roc", "risk_coverage")  # hundreds of points each; they stay with the run
    results = [{key: value for key, value in cell.items() if key not in curves} for cell in summary["results"]]
    return {**noted, **own, **summary, "results": results}


def _reliability(rows: Sequence[Row]) -> dict[str, list[dict[str, Any]]]:
    """Return stated against observed probability by perturbation, where both labels were scored."""
    found = {}
    for perturbation in dict.fromkeys(row.perturbation for row in rows):
        scores = Scores.of([row for row in rows if row.perturbation == perturbation])
        if scores.has_both:
            found[perturbation.partition("@")[0]] = reliability(scores.is_fake, scores.llr)
    return found


def make_card(summary: Mapping[str, Any], *, detector: str, model: Mapping[str, str]) -> dict[str, Any]:
    """Return the error card of one detector of a run.

    Args:
        summary: The metrics of the run.
        detector: Its name in the run.
        model: Name, version and sha256 of the weights that were judged.

    Raises:
        ConfigError: The run holds no rows of that detector.
    """
    cells = [cell for cell in summary["results"] if cell["detector"] == detector]
    if not cells:
        known = ", ".join(sorted({cell["detector"] for cell in summary["results"]}))
        raise ConfigError(f"the run holds no rows of {detector!r} (there are: {known})")
    run = summary["run"]
    return {
        "version": CARD_VERSION,
        "model": dict(model),
        "data": {
            "name": run.get("data", ""),
            "hash": run.get("data_hash", ""),
            "split": run.get("about", {}).get("split", ""),
            "items": run.get("items", {}),
            "files_not_judged_because_absent": sum(line["files"] for line in run.get("absent", ())),
        },
        "how": "accused = likely_synthetic or likely_manipulated at the default budget; intervals 95 %",
        "results": {cell["perturbation"]: _result(cell) for cell in cells},
    }


def _result(cell: Mapping[str, Any]) -> dict[str, Any]:
    keep = ("origin", "files", "without_score", "accused", "acquitted", "auroc_against_other_label")
    return {
        "files": {key: cell["files"][key] for key in ("real", "fake", "edited", "real_sources", "generators")},
        "auroc": cell["ranking"].get("auroc"),
        "cllr": cell["calibration"].get("cllr"),
        **{
            key: cell["decisions"].get(key)
            for key in ("false_accusation_rate", "recall", "false_acquittal_rate", "coverage")
        },
        "worst": cell["worst"],
        "sources": [{key: line[key] for key in keep} for line in cell["sources"]],
        "generators": [{key: line[key] for key in keep} for line in cell["generators"]],
        "edited": [{key: line[key] for key in keep} for line in cell["edited"]],
        "slices": cell["slices"],
    }


def render_card(card: Mapping[str, Any]) -> str:
    """Return the card as Markdown."""
    model, data = card["model"], card["data"]
    lines = [
        f"# Error card: {model.get('name', '')} {model.get('version', '')}".rstrip(),
        "",
        f"Weights `{model.get('sha256', '')[:16]}`; data {data['name']} {data['split']}, hash `{data['hash'][:16]}`; "
        f"{card['how']}.",
        "",
    ]
    if data["files_not_judged_because_absent"]:
        lines += [f"{data['files_not_judged_because_absent']} listed files were absent and are in no figure.", ""]
    for perturbation, result in card["results"].items():
        lines += [f"## {perturbation}", "", _headline(result), ""]
        for key, word in (("sources", "real source"), ("generators", "generator"), ("edited", "edited by")):
            if result[key]:
                lines.append(render_table(_origin_table(result[key], word)))
        if result["slices"]:
            lines.append(render_table(_slice_table(result["slices"])))
    return "\n".join(lines)


def _headline(result: Mapping[str, Any]) -> str:
    return (
        f"{result['files']['real']} real files of {result['files']['real_sources']} sources, {result['files']['fake']} "
        f"generated files of {result['files']['generators']} generators. AUROC {number(result['auroc'])}, "
        f"Cllr {number(result['cllr'])}. Reals accused: {percent(result['false_accusation_rate'])}. "
        f"Fakes accused: {percent(result['recall'])}, acquitted: {percent(result['false_acquittal_rate'])}. "
        f"Decided: {percent(result['coverage'])}."
    )


def _origin_table(lines: list[Mapping[str, Any]], word: str) -> Table:
    rows = tuple(
        (
            line["origin"],
            str(line["files"]),
            percent(line["accused"]),
            percent(line["acquitted"]),
            number(line["auroc_against_other_label"]),
        )
        for line in lines
    )
    return Table(f"By {word}", (word, "files", "accused", "acquitted", "AUROC against the other label"), rows)


def _slice_table(lines: list[Mapping[str, Any]]) -> Table:
    rows = tuple(
        (
            f"{line['slice']}: {line['value']}",
            f"{line['real']}+{line['fake']}",
            percent(line["reals_accused"]),
            percent(line["fakes_accused"]),
            number(line["auroc"]),
        )
        for line in lines
    )
    return Table(
        "By group of people or content", ("slice", "real+fake", "reals accused", "fakes accused", "AUROC"), rows
    )

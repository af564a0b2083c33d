"""Error cards: what a shipped model gets wrong, by real source and by generator, in a file beside its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detect.bench.report import read_run
from detect.bench.summary import SummarySettings, summarize
from detect.bench.tables.markdown import render_table
from detect.bench.tables.model import Table, number, percent
from detect.errors import ConfigError
from detect.serialize import to_plain

CARD_VERSION = "1"


def write_card(folder: Path, model_folder: Path, *, detector: str, replicates: int = 1000) -> str:
    """Write `error_card.json` and `ERROR_CARD.md` of a run into a model folder and return the Markdown.

    Raises:
        ConfigError: The folder has no config.json, or the run no rows of that detector.
    """
    config_file = model_folder / "config.json"
    if not config_file.is_file():
        raise ConfigError(f"{model_folder} is not a model folder: no config.json")
    config = json.loads(config_file.read_text(encoding="utf-8"))
    model = {key: str(config.get(key, "")) for key in ("name", "version", "sha256")}
    rows, run = read_run(folder)
    chosen = [row for row in rows if row.detector == detector] or rows
    summary = to_plain(summarize(chosen, settings=SummarySettings(replicates=replicates), run=run))
    card = make_card(summary, detector=detector, model=model)
    text = json.dumps(card, indent=1, ensure_ascii=False) + "\n"
    (model_folder / "error_card.json").write_text(text, encoding="utf-8")
    markdown = render_card(card)
    (model_folder / "ERROR_CARD.md").write_text(markdown, encoding="utf-8")
    return markdown


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

"""The sentences that go with a table: what was judged, by which weights, and what the verdicts came to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detect.bench.tables.model import number, ordered, percent

_OURS = "ours"


def describe_results(summary: Mapping[str, Any]) -> str:
    """Return one paragraph on the files and weights, and one sentence a condition on what `ours` did with them."""
    lines = [_describe_files(summary), ""]
    lines += [_describe_verdicts(cell) for cell in ordered(summary) if cell["detector"] == _OURS and cell["decisions"]]
    return "\n".join(lines).strip() + "\n"


def _describe_files(summary: Mapping[str, Any]) -> str:
    run = summary["run"]
    cell = max(summary["results"], key=lambda found: found["files"]["real"] + found["files"]["fake"])
    files = cell["files"]
    text = (
        f"{files['real']} real files of {files['real_sources']} sources and {files['fake']} generated files of "
        f"{files['generators']} generators"
    )
    if files["edited"]:
        text += f", and {files['edited']} edited files, which stand apart"
    absent = sum(line["files"] for line in run.get("absent", ()))
    if absent:
        text += f"; {absent} further listed files were not on the machine and are in no figure"
    weights = summary.get("weights_sha256", "")
    by = f" Weights `{weights[:16]}`." if weights else ""
    return f"{text}. Data hash `{run.get('data_hash', '')[:16]}`.{by}"


def _describe_verdicts(cell: Mapping[str, Any]) -> str:
    made = cell["decisions"]
    word = cell["perturbation"].partition("@")[0]
    parts = (
        f"AUC {number(cell['ranking'].get('auroc'))}",
        f"real files accused {percent(made['false_accusation_rate'])}",
        f"generated files accused {percent(made['recall'])}",
        f"generated files called authentic {percent(made['false_acquittal_rate'])}",
        f"decided {percent(made['coverage'])}",
    )
    text = f"- `{word}`: " + "; ".join(parts)
    decided = made["decided_accuracy"].get("value")
    if decided is not None and decided == decided:
        text += f", and of the decided, {100 * decided:.0f} % rightly (both labels weighed alike)"
    worst = cell["worst"].get("source")
    if worst is not None:
        text += f". Worst real source of {cell['worst']['minimum_files']} files or more: {worst['origin']}, "
        text += f"{percent(worst['accused'])} accused"
    return text + "."

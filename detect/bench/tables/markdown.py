"""Tables as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detect.bench.tables.model import Table, all_tables


def render_table(table: Table) -> str:
    """Return the table as GitHub-flavoured Markdown under its caption."""
    lines = [f"**{table.caption}**", "", _line(table.head), _line(tuple("---" for _ in table.head))]
    lines += [_line(row) for row in table.rows]
    if table.note:
        lines += ["", table.note]
    return "\n".join(lines) + "\n"


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def render_report(summary: Mapping[str, Any]) -> str:
    """Return the whole report."""
    parts = [f"# Benchmark {summary['run'].get('data', '')}".rstrip(), "", describe(summary)]
    parts += [render_table(table) for table in all_tables(summary)]
    return "\n".join(parts)


def describe(summary: Mapping[str, Any]) -> str:
    """Return one paragraph on what was measured and what of the data set was absent."""
    run = summary["run"]
    if not run:
        return ""
    counts = ", ".join(f"{files} {label}" for label, files in sorted(run["items"].items()))
    text = f"{counts} files; data hash `{run['data_hash'][:16]}`; seed {run['seed']}; "
    text += f"perturbations {', '.join(run['perturbations'])}.\n"
    absent = sum(line["files"] for line in run["absent"])
    if absent:
        origins = len({line["origin"] for line in run["absent"]})
        text += (
            f"\n**{absent} listed files of {origins} origins were not on this machine and are not in any figure.**\n"
        )
    return text

"""Figures in documents: marked blocks of Markdown files are written from measured runs, so that none is typed by hand.

A block is

    <!-- quote image ranking ours,trivial -->
    (what stands here is replaced)
    <!-- /quote -->

with the name of the source of its figures, what to quote (see `QUOTES`) and, where wanted, the detectors in it. A
source is a run folder, a model folder (both hold `metrics.json`), or such a JSON file, or an `audit.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from detect.bench.tables import model as tables
from detect.bench.tables.markdown import render_table
from detect.bench.tables.model import Table, number, percent
from detect.bench.tables.prose import describe_results
from detect.bench.trivial import NAME as TRIVIAL
from detect.errors import ConfigError

_BLOCK = re.compile(
    r"(?P<head><!-- quote (?P<source>[\w-]+) (?P<what>[\w-]+)(?: (?P<only>\S+))? -->\n)"
    r"(?P<body>.*?)(?P<tail><!-- /quote -->)",
    re.DOTALL,
)
_OURS = "ours"
NOT_MEASURED = "*Not measured yet for these weights: `scripts/figures.sh` does.*"
"""Stands where a model folder holds no figures of the bench, as after a training run."""


def quote_files(files: Sequence[Path], sources: Mapping[str, Path], *, is_dry: bool = False) -> list[Path]:
    """Rewrite the blocks of these files whose source is named, and return the files that changed (or would, when dry).

    Raises:
        ConfigError: A source holds no figures, or a block asks for a table that does not exist.
    """
    loaded = {name: read_source(path) for name, path in sources.items()}
    changed = []
    for file in files:
        before = file.read_text(encoding="utf-8")
        after = quote_text(before, loaded)
        if after != before and not is_dry:
            file.write_text(after, encoding="utf-8")
        if after != before:
            changed.append(file)
    return changed


def read_source(path: Path) -> dict[str, Any]:
    """Return the metrics tree or the audit that a folder or file holds.

    Raises:
        ConfigError: None is there.
    """
    file = path / "metrics.json" if path.is_dir() else path
    if not file.is_file():
        raise ConfigError(f"no figures at {file}: give a run folder, a model folder or a JSON file of either")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def quote_text(text: str, sources: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the text with all blocks of these sources written anew; blocks of other sources stay as they are."""

    def write(block: re.Match[str]) -> str:
        source = sources.get(block["source"])
        if source is None:
            return block[0]
        only = tuple(block["only"].split(",")) if block["only"] else ()
        return f"{block['head']}{quote(source, block['what'], only=only).strip()}\n{block['tail']}"

    return _BLOCK.sub(write, text)


def quote(source: Mapping[str, Any], what: str, *, only: Sequence[str] = ()) -> str:
    """Return one quotation as Markdown.

    Args:
        source: Metrics tree of a run, or an audit.
        what: A key of `QUOTES`.
        only: Detectors to keep; empty = all.

    Raises:
        ConfigError: No such table, or none of these detectors in the source.
    """
    if what not in QUOTES:
        raise ConfigError(f"cannot quote {what!r}; there are: {', '.join(sorted(QUOTES))}")
    if not any(key in source for key in ("results", "conditions", "failures")):
        return NOT_MEASURED
    return QUOTES[what](_keep(source, only))


def _keep(source: Mapping[str, Any], only: Sequence[str]) -> Mapping[str, Any]:
    if not only:
        return source
    results = [cell for cell in source["results"] if cell["detector"] in only]
    if not results:
        known = ", ".join(sorted({cell["detector"] for cell in source["results"]}))
        raise ConfigError(f"no figures of {', '.join(only)} here (there are: {known})")
    pairs = [line for line in source.get("comparisons", ()) if line["first"] in only and line["second"] in only]
    return {**source, "results": results, "comparisons": pairs}


def _columns(table: Table, heads: Sequence[str]) -> Table:
    places = [table.head.index(head) for head in heads]
    rows = tuple(tuple(row[place] for place in places) for row in table.rows)
    return Table(table.caption, tuple(heads), rows, table.note)


def _ranking(source: Mapping[str, Any]) -> str:
    heads = ("detector", "files as", "real+fake", "AUROC", "EER", "TPR@5%FPR", "Cllr", "min Cllr", "ECE")
    return render_table(_columns(tables.main_table(source), heads))


def _comparison(source: Mapping[str, Any]) -> str:
    """Return the pairs with ours, ours first."""
    lines = []
    for line in source.get("comparisons", ()):
        if line["second"] == _OURS:
            lines.append(_turned(line))
        elif line["first"] == _OURS:
            lines.append(line)
    return render_table(tables.comparison_table({**source, "comparisons": lines or source.get("comparisons", ())}))


def _turned(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return a comparison the other way round."""
    difference = dict(line["difference"])
    difference["value"] = -difference["value"]
    if difference.get("low") is not None:
        difference["low"], difference["high"] = -line["difference"]["high"], -line["difference"]["low"]
    return {**line, "first": line["second"], "second": line["first"], "difference": difference}


def _summary(source: Mapping[str, Any]) -> str:
    """Return the short table of a README: ours, beside what the outside of the files alone gives away."""
    by_name = {(cell["detector"], cell["perturbation"]): cell for cell in source["results"]}
    rows = []
    for cell in tables.ordered(source):
        if cell["detector"] != _OURS:
            continue
        trivial = by_name.get((TRIVIAL, cell["perturbation"]))
        made = cell["decisions"]
        rows.append(
            (
                cell["perturbation"].partition("@")[0],
                number(cell["ranking"].get("auroc")),
                "–" if trivial is None else number(trivial["ranking"].get("auroc")),
                percent(made.get("false_accusation_rate")),
                percent(made.get("recall")),
                percent(made.get("coverage")),
                number(cell["calibration"].get("cllr")),
            )
        )
    head = ("files as", "AUC", "AUC of format and size alone", "real files accused", "generated files accused")
    caption = "Files of sources that training never saw; 95 % intervals over sources and generators"
    return render_table(Table(caption, (*head, "decided", "Cllr"), tuple(rows)))


def _attack(source: Mapping[str, Any]) -> str:
    """Return the robustness curve as a table: AUROC and balanced accuracy of each detector by strength."""
    rows = []
    for cell in tables.ordered(source):
        word, _, strength = cell["perturbation"].partition("@")[0].rpartition("-")
        if not word.startswith("pgd-"):
            continue
        made = cell["decisions"]
        rows.append(
            (
                word.removeprefix("pgd-"),
                strength,
                cell["detector"],
                number(cell["ranking"].get("auroc")),
                percent(made.get("false_accusation_rate")),
                percent(made.get("recall")),
                percent(made.get("false_acquittal_rate")),
            )
        )
    rows.sort(key=lambda row: (row[0], row[2], int(row[1])))
    head = ("attacked", "grey levels", "judged by", "AUROC", "reals accused", "fakes accused", "fakes acquitted")
    return render_table(Table("Robustness to attack, and transfer", head, tuple(rows)))


def _audit(source: Mapping[str, Any]) -> str:
    from detect.bench.audit import audit_table, read_audit

    return render_table(audit_table(read_audit(source)))


def _failures(source: Mapping[str, Any]) -> str:
    """Return the table of `benchmarks/failures.py`: what was drawn, what is right, what came out."""
    rows = tuple(
        (
            f"![{line['what']}](../images/failure-{line['name']}.png){{ width=160 }}",
            line["what"],
            line["wanted"],
            line["verdict"].replace("_", " "),
            number(
                {
                    "value": line["authenticity"],
                    "low": (line["interval"] or [None])[0],
                    "high": (line["interval"] or [None])[-1],
                },
                2,
            ),
        )
        for line in source["failures"]
    )
    head = ("", "picture", "right would be", "verdict", "authenticity")
    return render_table(Table(f"Weights {source['weights_sha256'][:16]}", head, rows))


def _origins(source: Mapping[str, Any]) -> str:
    return "\n".join(render_table(table) for table in tables.origin_tables(source))


QUOTES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "about": lambda source: describe_results(source),
    "attack": _attack,
    "audit": _audit,
    "comparison": _comparison,
    "cost": lambda source: render_table(tables.cost_table(source)),
    "failures": _failures,
    "origins": _origins,
    "ranking": _ranking,
    "slices": lambda source: render_table(tables.slice_table(source)),
    "summary": _summary,
    "verdicts": lambda source: render_table(tables.decision_table(source)),
}
"""What can be quoted, by its word in a block."""

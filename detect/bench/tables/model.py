"""Tables as data: what stands in them is decided here once, for Markdown, HTML and LaTeX alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Table:
    """A caption, column heads and rows of text; `note` stands below."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def number(found: Mapping[str, Any] | float | None, digits: int = 3) -> str:
    """Return `0.812 [0.65, 0.92]`, or the bare number, or a dash."""
    if found is None:
        return "–"
    if not isinstance(found, Mapping):
        return f"{found:.{digits}f}" if found == found else "–"
    value = found.get("value")
    if value is None or value != value:
        return "–"
    text = f"{value:.{digits}f}"
    if found.get("low") is not None and found.get("high") is not None:
        text += f" [{found['low']:.{digits}f}, {found['high']:.{digits}f}]"
    return text


def percent(found: Mapping[str, Any] | None) -> str:
    """Return `2.0 % [0.5, 6.1]` or a dash."""
    if found is None or found.get("value") is None or found["value"] != found["value"]:
        return "–"
    text = f"{100 * found['value']:.1f} %"
    if found.get("low") is not None:
        text += f" [{100 * found['low']:.1f}, {100 * found['high']:.1f}]"
    return text


def _name(perturbation: str) -> str:
    return perturbation.partition("@")[0]


def main_table(summary: Mapping[str, Any]) -> Table:
    """Return one line a detector and perturbation: how well it orders, and what its scores mean."""
    rows = []
    for cell in ordered(summary):
        order, meaning, files = cell["ranking"], cell["calibration"], cell["files"]
        missing = sum(files["without_score"].values())
        rows.append(
            (
                cell["detector"],
                _name(cell["perturbation"]),
                f"{files['real']}+{files['fake']}" + (f" (−{missing})" if missing else ""),
                number(order.get("auroc")),
                number(order.get("average_precision")),
                number(order.get("eer"), 4),
                number(order.get("tpr_at_fpr_0.05")),
                number(order.get("tpr_at_fpr_0.01")),
                number(meaning.get("cllr")),
                number((meaning.get("min_cllr") or {}).get("value")),
                number((meaning.get("brier") or {}).get("value")),
                number((meaning.get("ece") or {}).get("value")),
            )
        )
    return Table(
        "Ranking and calibration",
        (
            "detector",
            "files as",
            "real+fake",
            "AUROC",
            "AP",
            "EER",
            "TPR@5%FPR",
            "TPR@1%FPR",
            "Cllr",
            "min Cllr",
            "Brier",
            "ECE",
        ),
        tuple(rows),
        "95 % intervals resample real sources and generators (people or scenes where a label has one source), not "
        "files. (−n): files without a score, left out.",
    )


def decision_table(summary: Mapping[str, Any]) -> Table:
    """Return what each detector's own verdicts do."""
    rows = []
    for cell in ordered(summary):
        made = cell["decisions"]
        if not made:
            continue
        worst = cell["worst"].get("source")
        rows.append(
            (
                cell["detector"],
                _name(cell["perturbation"]),
                percent(made["false_accusation_rate"]),
                "–" if worst is None else f"{worst['origin']}: {percent(worst['accused'])} of {worst['files']}",
                percent(made["recall"]),
                number(made["balanced_accuracy"]),
                percent(made["false_acquittal_rate"]),
                percent(made["coverage"]),
                number(made["decided_accuracy"].get("value")),
            )
        )
    return Table(
        "Verdicts at the shipped threshold",
        (
            "detector",
            "files as",
            "reals accused",
            "worst source",
            "fakes accused",
            "balanced accuracy",
            "fakes acquitted",
            "decided",
            "accuracy when decided",
        ),
        tuple(rows),
        "Accused = likely_synthetic or likely_manipulated. Worst source: among those with 20 files or more.",
    )


def origin_tables(summary: Mapping[str, Any]) -> list[Table]:
    """Return, for each perturbation, the detectors side by side for every real source and every generator."""
    tables = []
    cells = ordered(summary)
    for perturbation in dict.fromkeys(cell["perturbation"] for cell in cells):
        chosen = [cell for cell in cells if cell["perturbation"] == perturbation]
        for key, word, title in (
            ("sources", "real source", "Real sources"),
            ("generators", "generator", "Generators"),
            ("edited", "edited by", "Edited files"),
        ):
            tables.append(_origin_table(chosen, key, f"{title}, {_name(perturbation)}", word))
    return [table for table in tables if table.rows]


def slice_table(summary: Mapping[str, Any]) -> Table:
    """Return the fairness table: groups of people or content, where the data name them."""
    rows = tuple(
        (
            f"{line['slice']}: {line['value']}",
            cell["detector"],
            _name(cell["perturbation"]),
            f"{line['real']}+{line['fake']}",
            percent(line["reals_accused"]),
            percent(line["fakes_accused"]),
            number(line["auroc"]),
        )
        for cell in ordered(summary)
        for line in cell["slices"]
    )
    head = ("group", "detector", "files as", "real+fake", "reals accused", "fakes accused", "AUROC")
    return Table("By group of people or content", head, rows, "Wilson intervals over files.")


def _origin_table(cells: Sequence[Mapping[str, Any]], key: str, caption: str, word: str) -> Table:
    head = [word, "files"]
    lines: dict[str, list[str]] = {}
    for cell in cells:
        head += [f"{cell['detector']} AUROC", f"{cell['detector']} accused"]
        for line in cell[key]:
            lines.setdefault(line["origin"], [line["origin"], str(line["files"])])
    for cell in cells:
        by_name = {line["origin"]: line for line in cell[key]}
        for origin, texts in lines.items():
            line = by_name.get(origin, {})
            texts += [number(line.get("auroc_against_other_label")), percent(line.get("accused"))]
    return Table(
        caption,
        tuple(head),
        tuple(tuple(lines[name]) for name in sorted(lines)),
        "AUROC: this origin's files against all files of the other label. Intervals: Wilson, over files.",
    )


def comparison_table(summary: Mapping[str, Any]) -> Table:
    """Return the paired tests of AUROC."""
    rows = tuple(
        (
            line["first"],
            line["second"],
            _name(line["perturbation"]),
            str(line["files"]),
            number(line["difference"]),
            p_value(line["delong"]["p_value"]),
        )
        for line in summary["comparisons"]
    )
    return Table(
        "AUROC compared on the same files",
        ("first", "second", "files as", "files", "first minus second", "DeLong p"),
        rows,
        "The interval resamples sources and generators; DeLong's p treats files as independent.",
    )


def p_value(value: float) -> str:
    """Return the p-value as printed: three digits, or `<0.001`."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def cost_table(summary: Mapping[str, Any]) -> Table:
    """Return what judging costs on the machine of the run."""
    rows = []
    for cell in ordered(summary):
        spent = cell["cost"]
        if not spent:
            continue
        rows.append(
            (
                cell["detector"],
                _name(cell["perturbation"]),
                number(spent["median_ms"], 1),
                number(spent["p95_ms"], 1),
                number(spent["items_per_s"], 1),
                number(spent["cpu_s_per_1000"], 1),
                number(spent["peak_rss_mb"], 0),
                number(spent["real_time_factor"], 3),
            )
        )
    return Table(
        "Cost",
        (
            "detector",
            "files as",
            "median ms",
            "95 % ms",
            "files/s",
            "CPU s per 1000",
            "peak memory MiB",
            "real-time factor",
        ),
        tuple(rows),
    )


def error_table(summary: Mapping[str, Any]) -> Table:
    """Return what went wrong and how often."""
    rows = tuple(
        (cell["detector"], _name(cell["perturbation"]), str(line["files"]), line["error"])
        for cell in ordered(summary)
        for line in cell["files"]["errors"]
    )
    return Table("Files without a score", ("detector", "files as", "files", "why"), rows)


def ordered(summary: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the cells in the order of the run's perturbations, detectors sorted by falling AUROC."""
    places = {name: i for i, name in enumerate(summary["run"].get("perturbations", ()))}
    return sorted(
        summary["results"],
        key=lambda cell: (
            places.get(cell["perturbation"], len(places)),
            cell["perturbation"],
            -((cell["ranking"].get("auroc") or {}).get("value") or 0.0),
            cell["detector"],
        ),
    )


def all_tables(summary: Mapping[str, Any]) -> list[Table]:
    """Return every table that has rows, most important first."""
    tables = [
        main_table(summary),
        decision_table(summary),
        comparison_table(summary),
        *origin_tables(summary),
        slice_table(summary),
        cost_table(summary),
        error_table(summary),
    ]
    return [table for table in tables if table.rows]

"""The charts of a summary: ROC and risk-coverage for each perturbation, AUROC across perturbations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from detect.bench.tables.chart import Axis, Curve, line_chart
from detect.bench.tables.model import number, ordered
from detect.bench.trivial import NAME as TRIVIAL

_LEAST_FPR = 1e-3


def draw_plots(summary: Mapping[str, Any]) -> dict[str, str]:
    """Return SVG pictures by file name without ending, in reading order; a detector looks the same in all of them."""
    cells = [cell for cell in ordered(summary) if cell["ranking"]]
    styles = {name: i for i, name in enumerate(dict.fromkeys(cell["detector"] for cell in cells))}
    found = {}
    for perturbation in dict.fromkeys(cell["perturbation"] for cell in cells):
        chosen = [cell for cell in cells if cell["perturbation"] == perturbation]
        if all(cell["detector"] == TRIVIAL for cell in chosen) and len(styles) > 1:
            continue  # the raw files, judged by the baseline alone: its line in the table says it all
        word = perturbation.partition("@")[0]
        found[f"roc-{word}"] = _roc(chosen, word, styles)
        found[f"risk-coverage-{word}"] = _risk(chosen, word, styles)
    sweep = _sweep(cells, styles)
    if sweep:
        found["robustness"] = sweep
    return found


def _roc(cells: Sequence[Mapping[str, Any]], word: str, styles: Mapping[str, int]) -> str:
    x = Axis("reals accused (false-positive rate, logarithmic)", low=_LEAST_FPR, log=True)
    curves = [
        _curve(cell, f"AUROC {number(cell['ranking']['auroc'])}", cell["roc"]["fpr"], cell["roc"]["tpr"], styles)
        for cell in cells
    ]
    return line_chart(f"ROC, {word}", curves, x, Axis("fakes found (true-positive rate)"))


def _risk(cells: Sequence[Mapping[str, Any]], word: str, styles: Mapping[str, int]) -> str:
    x = Axis("share of files answered, surest first")
    curves = [
        _curve(cell, f"area {found['area']:.3f}", found["coverage"], found["risk"], styles)
        for cell in cells
        if (found := cell["risk_coverage"])
    ]
    return line_chart(f"Risk at coverage, {word}", curves, x, Axis("wrong among them"))


def _curve(
    cell: Mapping[str, Any], figure: str, x: Sequence[float], y: Sequence[float], styles: Mapping[str, int]
) -> Curve:
    return Curve(f"{cell['detector']}: {figure}", x, y, style=styles[cell["detector"]])


def _sweep(cells: Sequence[Mapping[str, Any]], styles: Mapping[str, int]) -> str | None:
    """Return AUROC by perturbation in the order of the run, when a detector was judged under three or more."""
    words = list(dict.fromkeys(cell["perturbation"] for cell in cells if cell["detector"] != TRIVIAL))
    if len(words) < 3:
        return None
    curves = []
    for detector, style in styles.items():
        own = {cell["perturbation"]: cell["ranking"]["auroc"] for cell in cells if cell["detector"] == detector}
        places = [i for i, word in enumerate(words) if word in own]
        estimates = [own[words[i]] for i in places]
        has_band = all(found.get("low") is not None for found in estimates)
        curves.append(
            Curve(
                detector,
                [float(i) for i in places],
                [found["value"] for found in estimates],
                [found["low"] for found in estimates] if has_band else (),
                [found["high"] for found in estimates] if has_band else (),
                has_marks=True,
                style=style,
            )
        )
    names = tuple(word.partition("@")[0] for word in words)
    return line_chart("AUROC by perturbation", curves, Axis("", high=len(words) - 1.0, names=names), Axis("AUROC"))

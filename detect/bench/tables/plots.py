"""The charts of a summary: ROC and risk-coverage for each perturbation, AUROC across perturbations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from detect.bench.tables.chart import Axis, Curve, line_chart
from detect.bench.tables.model import number, ordered

_LEAST_FPR = 1e-3


def draw_plots(summary: Mapping[str, Any]) -> dict[str, str]:
    """Return SVG pictures by file name without ending, in reading order."""
    cells = [cell for cell in ordered(summary) if cell["ranking"]]
    found = {}
    for perturbation in dict.fromkeys(cell["perturbation"] for cell in cells):
        chosen = [cell for cell in cells if cell["perturbation"] == perturbation]
        word = perturbation.partition("@")[0]
        found[f"roc-{word}"] = _roc(chosen, word)
        found[f"risk-coverage-{word}"] = _risk(chosen, word)
    sweep = _sweep(cells)
    if sweep:
        found["robustness"] = sweep
    return found


def _roc(cells: Sequence[Mapping[str, Any]], word: str) -> str:
    curves = [
        Curve(f"{cell['detector']}: AUROC {number(cell['ranking']['auroc'])}", cell["roc"]["fpr"], cell["roc"]["tpr"])
        for cell in cells
    ]
    return line_chart(
        f"ROC, {word}",
        curves,
        Axis("reals accused (false-positive rate, logarithmic)", low=_LEAST_FPR, log=True),
        Axis("fakes found (true-positive rate)"),
    )


def _risk(cells: Sequence[Mapping[str, Any]], word: str) -> str:
    curves = [
        Curve(
            f"{cell['detector']}: area {cell['risk_coverage']['area']:.3f}",
            cell["risk_coverage"]["coverage"],
            cell["risk_coverage"]["risk"],
        )
        for cell in cells
    ]
    return line_chart(
        f"Risk at coverage, {word}", curves, Axis("share of files answered, surest first"), Axis("wrong among them")
    )


def _sweep(cells: Sequence[Mapping[str, Any]]) -> str | None:
    """Return AUROC by perturbation in the order of the run, when there are three or more."""
    words = list(dict.fromkeys(cell["perturbation"] for cell in cells))
    if len(words) < 3:
        return None
    curves = []
    for detector in dict.fromkeys(cell["detector"] for cell in cells):
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
            )
        )
    label = ", ".join(f"{i} {word.partition('@')[0]}" for i, word in enumerate(words))
    return line_chart("AUROC by perturbation", curves, Axis(label, high=float(len(words) - 1)), Axis("AUROC"))

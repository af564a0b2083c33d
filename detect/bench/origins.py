"""Per-source and per-generator lines, and the worst of them: where a mean hides a failure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from detect.bench.detectors.base import ACCUSING
from detect.bench.metrics import ranking
from detect.bench.metrics.ranking import Floats
from detect.bench.scores import rank_values
from detect.bench.store import Row

WORST_CASE_MINIMUM = 20
"""Origins with fewer files are listed but never named worst: one file of three is no rate."""


def origin_lines(rows: Sequence[Row], label: str) -> list[dict[str, Any]]:
    """Return one line an origin of that label.

    A line holds the files, the share accused and acquitted (Wilson intervals over files), the share above the
    threshold that accuses 5 % of all reals, and the AUROC against all files of the other label (edited files are
    compared with reals).
    """
    scored = [row for row in rows if row.score is not None]
    values = dict(zip((row.key for row in scored), rank_values(scored), strict=True))
    other = "fake" if label == "real" else "real"
    others = np.sort(np.asarray([values[row.key] for row in scored if row.label == other], dtype=float))
    threshold = _threshold(scored, values)
    by_origin: dict[str, list[Row]] = {}
    for row in rows:
        if row.label == label:
            by_origin.setdefault(row.origin, []).append(row)
    lines = []
    for origin, own in sorted(by_origin.items()):
        answered = [row for row in own if row.score is not None]
        scores = np.asarray([values[row.key] for row in answered])
        judged = [row for row in answered if row.verdict]
        lines.append(
            {
                "origin": origin,
                "files": len(own),
                "without_score": len(own) - len(answered),
                "accused": wilson([row.verdict in ACCUSING for row in judged]),
                "acquitted": wilson([row.verdict == "likely_authentic" for row in judged]),
                "above_5_percent_threshold": None if threshold is None else wilson((scores >= threshold).tolist()),
                "auroc_against_other_label": _auroc_between(scores, others, higher=label != "real"),
                "median_score": float(np.median([row.score for row in answered])) if answered else None,
            }
        )
    return lines


def worst_lines(sources: Sequence[dict[str, Any]], generators: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the source most often accused and the generator least separated, among those with enough files."""
    found: dict[str, Any] = {"minimum_files": WORST_CASE_MINIMUM}
    large = [line for line in sources if line["files"] >= WORST_CASE_MINIMUM and line["accused"] is not None]
    if large:
        found["source"] = max(large, key=lambda line: line["accused"]["value"])
    large = [line for line in generators if line["files"] >= WORST_CASE_MINIMUM]
    large = [line for line in large if line["auroc_against_other_label"] is not None]
    if large:
        found["generator"] = min(large, key=lambda line: line["auroc_against_other_label"])
    return found


def slice_lines(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return one line a group of people or content: who is accused more, and where the detector sees less."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        for name, value in (json.loads(row.slices) if row.slices else {}).items():
            groups.setdefault((name, value), []).append(row)
    lines = []
    for (name, value), own in sorted(groups.items()):
        scored = [row for row in own if row.score is not None]
        by_label = {label: [row for row in scored if row.label == label] for label in ("real", "fake")}
        values = {label: rank_values(found) for label, found in by_label.items()}
        accused = {
            label: wilson([row.verdict in ACCUSING for row in found if row.verdict])
            for label, found in by_label.items()
        }
        lines.append(
            {
                "slice": name,
                "value": value,
                "real": len(by_label["real"]),
                "fake": len(by_label["fake"]),
                "reals_accused": accused["real"],
                "fakes_accused": accused["fake"],
                "auroc": _auroc_between(values["fake"], np.sort(values["real"]), higher=True),
            }
        )
    return lines


def wilson(hits: Sequence[bool]) -> dict[str, float | int] | None:
    """Return the share of hits with its 95 % Wilson interval (Wilson 1927); None without files."""
    if not hits:
        return None
    n, k, z = len(hits), sum(hits), 1.959964
    centre = (k + z * z / 2) / (n + z * z)
    half = z * np.sqrt(k * (n - k) / n + z * z / 4) / (n + z * z)
    return {"value": k / n, "low": max(0.0, float(centre - half)), "high": min(1.0, float(centre + half)), "files": n}


def _threshold(scored: Sequence[Row], values: dict[Any, float]) -> float | None:
    binary = [row for row in scored if row.label in ("real", "fake")]
    is_fake = np.asarray([row.label == "fake" for row in binary], dtype=bool)
    if not is_fake.any() or is_fake.all():
        return None
    return ranking.roc(is_fake, np.asarray([values[row.key] for row in binary])).threshold_at(0.05)


def _auroc_between(own: Floats, others: Floats, *, higher: bool) -> float | None:
    """Return the AUROC of two score lists, `others` sorted; `higher` tells whether `own` should score above."""
    if not len(own) or not len(others):
        return None
    below = np.searchsorted(others, own, side="left")
    ties = np.searchsorted(others, own, side="right") - below
    wins = float(np.sum(below + ties / 2)) / (len(own) * len(others))
    return wins if higher else 1.0 - wins

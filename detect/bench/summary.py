"""Predictions -> metrics: one JSON-ready tree, recomputable at any time from the Parquet file alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from detect.bench.detectors.base import ACCUSING
from detect.bench.metrics import calibration
from detect.bench.metrics.bootstrap import Metrics, estimate, replicate_weights
from detect.bench.metrics.decisions import decisions, risk_coverage
from detect.bench.metrics.delong import compare_auc
from detect.bench.metrics.ranking import Floats, Ranked
from detect.bench.origins import origin_lines, slice_lines, wilson, worst_lines
from detect.bench.scores import Scores, resampling_units
from detect.bench.store import Row

SUMMARY_VERSION = "1"
FPR_POINTS = (0.05, 0.01, 0.001)
_CURVE_POINTS = 50


@dataclass(frozen=True)
class SummarySettings:
    """Knobs of the summary; `replicates` of the bootstrap (0 = no intervals) and its seed."""

    replicates: int = 1000
    seed: int = 0


def summarize(
    rows: Iterable[Row],
    *,
    settings: SummarySettings = SummarySettings(),
    run: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the metrics tree.

    Args:
        rows: Predictions of any number of detectors and perturbations.
        settings: Bootstrap replicates and seed.
        run: The `run.json` of the run, copied into the tree.
    """
    cells: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        cells.setdefault((row.detector, row.perturbation), []).append(row)
    results = [
        {"detector": detector, "perturbation": perturbation, **_Cell(found, settings).to_dict()}
        for (detector, perturbation), found in sorted(cells.items())
    ]
    return {
        "version": SUMMARY_VERSION,
        "run": dict(run or {}),
        "settings": asdict(settings),
        "results": results,
        "comparisons": _compare(cells, settings),
    }


class _Cell:
    """One detector under one perturbation."""

    def __init__(self, rows: list[Row], settings: SummarySettings) -> None:
        self.rows = rows
        self.settings = settings
        self.scores = Scores.of(rows)

    def to_dict(self) -> dict[str, Any]:
        sources, generators = origin_lines(self.rows, "real"), origin_lines(self.rows, "fake")
        both = self.scores.has_both
        return {
            "files": self._count(),
            "ranking": self._ranking() if both else {},
            "calibration": self._calibration() if both else {},
            "decisions": self._decisions(),
            "risk_coverage": self._risk_coverage() if both else {},
            "roc": self._roc() if both else {},
            "sources": sources,
            "generators": generators,
            "edited": origin_lines(self.rows, "edited"),
            "worst": worst_lines(sources, generators),
            "slices": slice_lines(self.rows),
            "cost": _cost(self.rows),
        }

    @cached_property
    def _ranked(self) -> Ranked:
        return Ranked(self.scores.is_fake, self.scores.rank_by)

    @cached_property
    def _weights(self) -> Floats:
        return self._replicates(self.scores.is_fake, self.scores.units)

    def _replicates(self, is_fake: Any, origins: Sequence[str]) -> Floats:
        return replicate_weights(is_fake, origins, replicates=self.settings.replicates, seed=self.settings.seed)

    def _count(self) -> dict[str, Any]:
        failed = [row for row in self.rows if row.score is None]
        labels = ("real", "fake", "edited")
        return {
            **{label: sum(row.label == label for row in self.rows) for label in labels},
            "real_sources": len({row.origin for row in self.rows if row.label == "real"}),
            "generators": len({row.origin for row in self.rows if row.label == "fake"}),
            "without_score": {label: sum(row.label == label for row in failed) for label in labels},
            "errors": _top_errors(failed),
        }

    def _ranking(self) -> dict[str, Any]:
        def metrics(weights: Floats) -> dict[str, float]:
            curve = self._ranked.roc(weights)
            found = {"auroc": curve.auroc, "average_precision": curve.average_precision, "eer": curve.eer}
            return found | {f"tpr_at_fpr_{point:g}": curve.tpr_at(point) for point in FPR_POINTS}

        return _estimates(metrics, self._weights)

    def _calibration(self) -> dict[str, Any]:
        """Return what scores mean; Brier, ECE and Cllr only for detectors that give probabilities for all files."""
        fake, llr, p = self.scores.is_fake, self.scores.llr, self.scores.p_synthetic
        has_probability = not np.isnan(p).any()

        def metrics(weights: Floats) -> dict[str, float]:
            found = {
                "min_cllr": calibration.min_cllr(self._ranked, weights),
                "min_dcf": self._ranked.roc(weights).min_dcf(),
            }
            if has_probability:
                found |= {
                    "cllr": calibration.cllr(fake, llr, weights),
                    "actual_dcf": calibration.actual_dcf(fake, llr, weights),
                    "brier": calibration.brier(fake, p, weights),
                    "ece": calibration.expected_calibration_error(fake, p, weights),
                }
            return found

        return _estimates(metrics, self._weights)

    def _decisions(self) -> dict[str, Any]:
        """Return what verdicts do; files without a score count as undecided."""
        rows = [row for row in self.rows if row.label in ("real", "fake")]
        if not rows or not all(row.verdict for row in rows if row.score is not None):
            return {}
        fake = np.asarray([row.label == "fake" for row in rows], dtype=bool)
        accused = np.asarray([row.verdict in ACCUSING for row in rows], dtype=bool)
        acquitted = np.asarray([row.verdict == "likely_authentic" for row in rows], dtype=bool)
        weights = self._replicates(fake, resampling_units(rows))
        found = _estimates(lambda w: asdict(decisions(fake, accused, acquitted, w)), weights)
        for name, hits in (
            ("false_accusation_rate", accused[~fake]),
            ("recall", accused[fake]),
            ("false_acquittal_rate", acquitted[fake]),
            ("coverage", accused | acquitted),
        ):
            if len(hits) and (hits.all() or not hits.any()):
                # every replicate gives the same share: the interval over files is the least that can be said
                found[name] = wilson(hits.tolist())
        return found

    def _risk_coverage(self) -> dict[str, Any]:
        curve = risk_coverage(self.scores.is_fake, self.scores.llr)
        at = np.unique(np.linspace(0, len(curve.risk) - 1, _CURVE_POINTS).round().astype(int))
        return {"area": curve.area, "coverage": curve.coverage[at].tolist(), "risk": curve.risk[at].tolist()}

    def _roc(self) -> dict[str, Any]:
        """Return the curve for plots: at most a few hundred points, without the flat ones."""
        curve = self._ranked.roc()
        at = np.unique(np.linspace(0, len(curve.fpr) - 1, 200).round().astype(int))
        return {"fpr": curve.fpr[at].tolist(), "tpr": curve.tpr[at].tolist()}


def _estimates(metrics: Metrics, weights: Floats) -> dict[str, Any]:
    return {name: asdict(found) for name, found in estimate(metrics, weights).items()}


def _cost(rows: Sequence[Row]) -> dict[str, Any]:
    """Return time and memory; the first file of a run pays for loading, which the median leaves out."""
    wall = np.asarray([row.ms for row in rows if row.ms is not None], dtype=float)
    cpu = np.asarray([row.cpu_ms for row in rows if row.cpu_ms is not None], dtype=float)
    energy = np.asarray([row.joules for row in rows if row.joules is not None], dtype=float)
    seconds = sum(row.duration_s or 0.0 for row in rows if row.ms is not None)
    if not len(wall) or wall.sum() <= 0:
        return {}
    return {
        "median_ms": float(np.median(wall)),
        "p95_ms": float(np.quantile(wall, 0.95)),
        "items_per_s": float(len(wall) / (wall.sum() / 1e3)),
        "cpu_s_per_1000": float(cpu.mean()) if len(cpu) else None,
        "joules_per_1000": float(energy.mean() * 1000) if len(energy) else None,
        "peak_rss_mb": max((row.peak_rss_mb for row in rows if row.peak_rss_mb), default=None),
        "real_time_factor": float(wall.sum() / 1e3 / seconds) if seconds > 0 else None,
    }


def _top_errors(rows: Sequence[Row]) -> list[dict[str, Any]]:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.error] = counts.get(row.error, 0) + 1
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [{"error": error, "files": files} for error, files in ranked[:10]]


def _compare(cells: Mapping[tuple[str, str], list[Row]], settings: SummarySettings) -> list[dict[str, Any]]:
    """Return DeLong's test and the origin-resampled difference for each pair of detectors on their common files."""
    found = []
    keys = sorted(cells)
    for place, (first, perturbation) in enumerate(keys):
        for second, other in keys[place + 1 :]:
            if other == perturbation:
                line = _compare_pair(cells[(first, perturbation)], cells[(second, perturbation)], settings)
                if line is not None:
                    found.append({"perturbation": perturbation, "first": first, "second": second, **line})
    return found


def _compare_pair(first: list[Row], second: list[Row], settings: SummarySettings) -> dict[str, Any] | None:
    a, b = Scores.of(first), Scores.of(second)
    place_a, place_b = ({name: i for i, name in enumerate(scores.ids)} for scores in (a, b))
    common = sorted(place_a.keys() & place_b.keys())
    ia, ib = [place_a[name] for name in common], [place_b[name] for name in common]
    fake = a.is_fake[ia]
    if fake.sum() < 2 or (~fake).sum() < 2:
        return None
    test = compare_auc(fake, a.rank_by[ia], b.rank_by[ib])
    weights = replicate_weights(fake, [a.units[i] for i in ia], replicates=settings.replicates, seed=settings.seed)
    left, right = Ranked(fake, a.rank_by[ia]), Ranked(fake, b.rank_by[ib])
    found = estimate(lambda w: {"difference": left.roc(w).auroc - right.roc(w).auroc}, weights)
    return {"files": len(common), "delong": asdict(test), "difference": asdict(found["difference"])}

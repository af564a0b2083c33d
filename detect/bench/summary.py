"""Predictions -> metrics: one JSON-ready tree, recomputable at any time from the Parquet file alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from detect.bench.detectors.base import ACCUSING
from detect.bench.metrics import calibration, ranking
from detect.bench.metrics.bootstrap import estimate, replicate_weights
from detect.bench.metrics.decisions import decisions, risk_coverage
from detect.bench.metrics.delong import compare_auc
from detect.bench.metrics.ranking import Bools, Floats, Ranked
from detect.bench.store import Row

SUMMARY_VERSION = "1"
FPR_POINTS = (0.05, 0.01, 0.001)
WORST_CASE_MINIMUM = 20
"""Origins with fewer files are listed but never named worst: one file of three is no rate."""


@dataclass(frozen=True)
class SummarySettings:
    """Knobs of the summary; `replicates` of the bootstrap (0 = no intervals) and its seed."""

    replicates: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class Scores:
    """The usable rows of one detector under one perturbation, real and fake only, as arrays of one length."""

    ids: tuple[str, ...]
    is_fake: Bools
    llr: Floats
    p_synthetic: Floats  # NaN where the detector gives no probability
    accused: Bools
    acquitted: Bools
    has_verdict: bool
    origins: tuple[str, ...]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Scores:
        """Gather the rows that hold a score and a binary label."""
        used = [row for row in rows if row.score is not None and row.label in ("real", "fake")]
        return cls(
            ids=tuple(row.id for row in used),
            is_fake=np.asarray([row.label == "fake" for row in used], dtype=bool),
            llr=np.asarray([row.score for row in used], dtype=float),
            p_synthetic=np.asarray([np.nan if row.p_synthetic is None else row.p_synthetic for row in used], float),
            accused=np.asarray([row.verdict in ACCUSING for row in used], dtype=bool),
            acquitted=np.asarray([row.verdict == "likely_authentic" for row in used], dtype=bool),
            has_verdict=bool(used) and all(row.verdict for row in used),
            origins=tuple(row.origin for row in used),
        )

    @property
    def has_both(self) -> bool:
        """Tell whether ranking metrics exist."""
        return bool(self.is_fake.any()) and not bool(self.is_fake.all())


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
    cells = _group(rows)
    results = [
        {"detector": detector, "perturbation": perturbation, **_Cell(list(found), settings).to_dict()}
        for (detector, perturbation), found in sorted(cells.items())
    ]
    return {
        "version": SUMMARY_VERSION,
        "run": dict(run or {}),
        "settings": asdict(settings),
        "results": results,
        "comparisons": _compare(cells, settings),
    }


def _group(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    cells: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        cells.setdefault((row.detector, row.perturbation), []).append(row)
    return cells


@dataclass
class _Cell:
    """One detector under one perturbation."""

    rows: list[Row]
    settings: SummarySettings
    scores: Scores = field(init=False)
    weights: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.scores = Scores.of(self.rows)
        self.weights = replicate_weights(
            self.scores.is_fake, self.scores.origins, replicates=self.settings.replicates, seed=self.settings.seed
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "files": self._count(),
            "ranking": self._ranking() if self.scores.has_both else {},
            "calibration": self._calibration() if self.scores.has_both else {},
            "decisions": self._decisions(),
            "risk_coverage": self._risk_coverage(),
            "generators": self._origins("fake"),
            "sources": self._origins("real"),
            "edited": self._origins("edited"),
            "worst": self._worst(),
            "cost": self._cost(),
        }

    def _estimate(self, metrics: Callable[[Floats], Mapping[str, float]]) -> dict[str, Any]:
        return {name: asdict(found) for name, found in estimate(metrics, self.weights).items()}

    def _count(self) -> dict[str, Any]:
        errors = [row for row in self.rows if row.score is None]
        return {
            "real": sum(row.label == "real" for row in self.rows),
            "fake": sum(row.label == "fake" for row in self.rows),
            "edited": sum(row.label == "edited" for row in self.rows),
            "real_sources": len({row.origin for row in self.rows if row.label == "real"}),
            "generators": len({row.origin for row in self.rows if row.label == "fake"}),
            "without_score": {
                "real": sum(row.label == "real" for row in errors),
                "fake": sum(row.label == "fake" for row in errors),
                "edited": sum(row.label == "edited" for row in errors),
            },
            "errors": _top_errors(errors),
        }

    def _ranking(self) -> dict[str, Any]:
        ranked = Ranked(self.scores.is_fake, self.scores.llr)

        def metrics(weights: Floats) -> dict[str, float]:
            curve = ranked.roc(weights)
            found = {"auroc": curve.auroc, "average_precision": curve.average_precision, "eer": curve.eer}
            return found | {f"tpr_at_fpr_{point:g}": curve.tpr_at(point) for point in FPR_POINTS}

        return self._estimate(metrics)

    def _calibration(self) -> dict[str, Any]:
        fake, llr, p = self.scores.is_fake, self.scores.llr, self.scores.p_synthetic
        ranked = Ranked(fake, llr)
        has_probability = not np.isnan(p).any()

        def metrics(weights: Floats) -> dict[str, float]:
            found = {
                "min_cllr": calibration.min_cllr(ranked, weights),
                "min_dcf": ranked.roc(weights).min_dcf(),
            }
            if has_probability:
                found |= {
                    "cllr": calibration.cllr(fake, llr, weights),
                    "actual_dcf": calibration.actual_dcf(fake, llr, weights),
                    "brier": calibration.brier(fake, p, weights),
                    "ece": calibration.expected_calibration_error(fake, p, weights),
                }
            return found

        return self._estimate(metrics)

    def _decisions(self) -> dict[str, Any]:
        scores = self.scores
        if not scores.has_verdict:
            return {}
        return self._estimate(lambda w: asdict(decisions(scores.is_fake, scores.accused, scores.acquitted, w)))

    def _risk_coverage(self) -> dict[str, Any]:
        if not self.scores.has_both:
            return {}
        curve = risk_coverage(self.scores.is_fake, self.scores.llr)
        at = np.unique(np.linspace(0, len(curve.risk) - 1, 50).round().astype(int))
        return {"area": curve.area, "coverage": curve.coverage[at].tolist(), "risk": curve.risk[at].tolist()}

    def _origins(self, label: str) -> list[dict[str, Any]]:
        """Return one line an origin: how many of its files are accused, and how well it separates from the others."""
        others = self.scores.llr[~self.scores.is_fake if label != "real" else self.scores.is_fake]
        threshold = _threshold_at(self.scores, 0.05)
        lines = []
        for origin in sorted({row.origin for row in self.rows if row.label == label}):
            rows = [row for row in self.rows if row.label == label and row.origin == origin]
            scored = [row for row in rows if row.score is not None]
            llr = np.asarray([row.score for row in scored], dtype=float)
            lines.append(
                {
                    "origin": origin,
                    "files": len(rows),
                    "without_score": len(rows) - len(scored),
                    "accused": _rate([row.verdict in ACCUSING for row in scored if row.verdict]),
                    "acquitted": _rate([row.verdict == "likely_authentic" for row in scored if row.verdict]),
                    "above_5_percent_threshold": None if threshold is None else _rate((llr >= threshold).tolist()),
                    "auroc_against_other_label": _auroc_between(llr, others, higher=label != "real"),
                    "median_score": float(np.median(llr)) if len(llr) else None,
                }
            )
        return lines

    def _worst(self) -> dict[str, Any]:
        """Return the source most often accused and the generator least separated, among those with enough files."""
        sources = [line for line in self._origins("real") if line["files"] >= WORST_CASE_MINIMUM and line["accused"]]
        generators = [
            line
            for line in self._origins("fake")
            if line["files"] >= WORST_CASE_MINIMUM and line["auroc_against_other_label"] is not None
        ]
        found: dict[str, Any] = {"minimum_files": WORST_CASE_MINIMUM}
        if sources:
            found["source"] = max(sources, key=lambda line: line["accused"]["value"])
        if generators:
            found["generator"] = min(generators, key=lambda line: line["auroc_against_other_label"])
        return found

    def _cost(self) -> dict[str, Any]:
        wall = np.asarray([row.ms for row in self.rows if row.ms is not None], dtype=float)
        cpu = np.asarray([row.cpu_ms for row in self.rows if row.cpu_ms is not None], dtype=float)
        memory = [row.peak_rss_mb for row in self.rows if row.peak_rss_mb]
        seconds = sum(row.duration_s or 0.0 for row in self.rows if row.ms is not None)
        if not len(wall) or wall.sum() <= 0:
            return {}
        return {
            "median_ms": float(np.median(wall)),
            "p95_ms": float(np.quantile(wall, 0.95)),
            "items_per_s": float(len(wall) / (wall.sum() / 1e3)),
            "cpu_s_per_1000": float(cpu.mean()) if len(cpu) else None,
            "peak_rss_mb": max(memory, default=None),
            "real_time_factor": float(wall.sum() / 1e3 / seconds) if seconds > 0 else None,
        }


def _rate(hits: Sequence[bool]) -> dict[str, float | int] | None:
    """Return the share with its 95 % Wilson interval: files of one origin are the trials."""
    if not hits:
        return None
    n, k, z = len(hits), sum(hits), 1.959964
    centre = (k + z * z / 2) / (n + z * z)
    half = z * np.sqrt(k * (n - k) / n + z * z / 4) / (n + z * z)
    return {"value": k / n, "low": max(0.0, float(centre - half)), "high": min(1.0, float(centre + half)), "files": n}


def _threshold_at(scores: Scores, fpr: float) -> float | None:
    if not scores.has_both:
        return None
    return ranking.roc(scores.is_fake, scores.llr).threshold_at(fpr)


def _auroc_between(own: Floats, others: Floats, *, higher: bool) -> float | None:
    if not len(own) or not len(others):
        return None
    is_fake = np.concatenate([np.full(len(own), higher), np.full(len(others), not higher)])
    return ranking.auroc(is_fake, np.concatenate([own, others]))


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
    common = sorted(set(a.ids) & set(b.ids))
    place_a, place_b = {name: i for i, name in enumerate(a.ids)}, {name: i for i, name in enumerate(b.ids)}
    ia, ib = [place_a[name] for name in common], [place_b[name] for name in common]
    fake = a.is_fake[ia]
    if fake.sum() < 2 or (~fake).sum() < 2:
        return None
    left, right = a.llr[ia], b.llr[ib]
    test = compare_auc(fake, left, right)
    weights = replicate_weights(fake, [a.origins[i] for i in ia], replicates=settings.replicates, seed=settings.seed)
    ranked_left, ranked_right = Ranked(fake, left), Ranked(fake, right)
    difference = estimate(lambda w: {"auroc": ranked_left.roc(w).auroc - ranked_right.roc(w).auroc}, weights)
    return {"files": len(common), "delong": asdict(test), "difference": asdict(difference["auroc"])}

"""Held-out scores to likelihood ratios and thresholds.

The held-out generators and sources never trained. Each of their files is judged as delivered by the bench's two
protocols (`clean`, `laundered`), so that the calibration holds for both. Every origin weighs the same within its label:
a large source must not set the thresholds alone.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

log = logging.getLogger(__name__)
Floats = npt.NDArray[np.float64]
_LEAST_SLOPE = 1e-3  # a likelihood ratio never turns a logit's direction round
DEFAULT_BUDGET = 0.02
LEAST_FILES = 20
"""A source of fewer files has no rate of its own."""

BUDGETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class HeldOutScore:
    """The pooled logit of one held-out file under one perturbation."""

    is_fake: bool
    origin: str
    perturbation: str
    logit: float


def fit_calibration(
    scores: Sequence[HeldOutScore], *, calibration_id: str, largest_source_rate: float, miss_rate: float
) -> dict[str, Any]:
    """Return the `calibration` block of config.json.

    Slope and intercept: logistic regression with every origin weighted alike and even priors. Each budget's threshold
    is the larger of two quantiles of held-out real scores: the overall one at the budget, and the one that keeps the
    worst source with 20 or more files at `largest_source_rate` (stated for a budget of 2 %, scaled with others).
    Where the budget asks for a smaller share than the number of real scores can show, an exponential tail extrapolates.
    """
    from sklearn.linear_model import LogisticRegression

    logits = np.array([item.logit for item in scores])
    is_fake = np.array([item.is_fake for item in scores])
    weights = origin_weights(scores)
    model = LogisticRegression(C=1e6).fit(logits[:, None], is_fake, sample_weight=weights)
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    if slope < _LEAST_SLOPE:
        log.warning("the network tells held-out labels apart no better than chance: it will abstain on everything")
        slope, intercept = _LEAST_SLOPE, 0.0
    llr = slope * logits + intercept
    reals = [item for item in scores if not item.is_fake]
    real_llr, real_weights = llr[~is_fake], weights[~is_fake]
    origins = len({item.origin for item in scores})
    authentic = weighted_quantile(llr[is_fake], weights[is_fake], miss_rate)
    rows = []
    for budget in BUDGETS:
        overall = tail_threshold(real_llr, real_weights, budget)
        per_source = _worst_source_threshold(reals, real_llr, min(1.0, largest_source_rate * budget / DEFAULT_BUDGET))
        rows.append(
            {
                "max_false_positive_rate": budget,
                "synthetic_llr": round(float(max(overall, per_source)), 4),
                "authentic_llr": round(float(min(authentic, -0.1)), 4),
            }
        )
    return {
        "id": calibration_id,
        "slope": round(slope, 6),
        "intercept": round(intercept, 6),
        # A ratio larger than the number of independent sources behind it cannot be told from the data.
        "cap": round(float(np.log(origins)) + 1.0, 3),
        "thresholds": rows,
        "n_real": int((~is_fake).sum()),
        "n_fake": int(is_fake.sum()),
        "n_origins": origins,
    }


def origin_weights(scores: Sequence[HeldOutScore]) -> Floats:
    """Return weights that sum to 1 within each label, the same for every origin of a label."""
    counts: dict[tuple[bool, str], int] = {}
    for item in scores:
        counts[item.is_fake, item.origin] = counts.get((item.is_fake, item.origin), 0) + 1
    labels = {label: sum(1 for key in counts if key[0] == label) for label in (False, True)}
    return np.array([1.0 / (labels[item.is_fake] * counts[item.is_fake, item.origin]) for item in scores])


def weighted_quantile(values: Floats, weights: Floats, share: float) -> float:
    """Return the smallest value at or below which `share` of the weight lies."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(len(values) - 1, int(np.searchsorted(reached, share)))])


def tail_threshold(values: Floats, weights: Floats, rate: float, *, tail: float = 0.1) -> float:
    """Return the threshold that `rate` of the weight exceeds.

    Below the rate that the sample resolves (five items), the tail above its upper `tail` quantile is taken as
    exponential, which is heavier than what logits usually show.
    """
    empirical = weighted_quantile(values, weights, 1 - rate)
    if rate * len(values) >= 5:
        return empirical
    base = weighted_quantile(values, weights, 1 - tail)
    above = values > base
    scale = float(np.average(values[above] - base, weights=weights[above])) if above.any() else 0.0
    return max(empirical if rate * len(values) >= 1 else float(values.max()), base + scale * float(np.log(tail / rate)))


def _worst_source_threshold(reals: Sequence[HeldOutScore], llr: Floats, rate: float) -> float:
    """Return the least threshold that keeps every source with 20 or more files at or under `rate`.

    A file counts once, however many perturbations it was judged under: the worst of seven faces is no source's rate.
    """
    by_source: dict[str, list[float]] = {}
    files: Counter[tuple[str, str]] = Counter()
    for item, value in zip(reals, llr, strict=True):
        by_source.setdefault(item.origin, []).append(float(value))
        files[item.origin, item.perturbation] += 1
    most = {origin: 0 for origin in by_source}
    for (origin, _), count in files.items():
        most[origin] = max(most[origin], count)
    large = [np.array(values) for origin, values in by_source.items() if most[origin] >= LEAST_FILES]
    return max((float(np.quantile(values, 1 - rate, method="higher")) for values in large), default=-np.inf)


def summarise(scores: Sequence[HeldOutScore], block: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the calibration reaches on the very files it was fitted on (not a held-out figure)."""
    from sklearn.metrics import roc_auc_score

    out: dict[str, Any] = {"note": "held-out training sources; the calibration was fitted on these files"}
    for perturbation in sorted({item.perturbation for item in scores}):
        own = [item for item in scores if item.perturbation == perturbation]
        labels = [item.is_fake for item in own]
        out[perturbation] = {
            "auc": round(float(roc_auc_score(labels, [item.logit for item in own])), 4),
            "auc_origins_alike": round(
                float(roc_auc_score(labels, [item.logit for item in own], sample_weight=origin_weights(own))), 4
            ),
            "n_real": labels.count(False),
            "n_fake": labels.count(True),
        }
    out["slope"], out["intercept"] = block["slope"], block["intercept"]
    return out

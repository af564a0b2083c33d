"""Scores to likelihood ratios: fit on labelled files, judge on origins that the fit did not see.

Affine logistic calibration (Brümmer and du Preez 2006, section 6; Platt 1999) with every origin weighted alike and even
priors, so that the result is a likelihood ratio whatever the shares in the data. The held-out figures come from folds
over origins: a calibration that is judged on the sources it was fitted to looks better than it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detect.bench.metrics import calibration as measures
from detect.bench.metrics.ranking import Bools, Floats, Ranked
from detect.bench.origins import wilson
from detect.bench.scores import Scores
from detect.bench.store import Row
from detect.errors import ConfigError

BUDGETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
MIN_ORIGINS = 2
_LEAST_SLOPE = 1e-3
_Map = Callable[[Floats], Floats]


@dataclass(frozen=True)
class CalibrationSettings:
    """Knobs of a calibration.

    Attributes:
        folds: Groups of origins for the held-out figures, >= 2.
        miss_rate: Share of fakes that may be called authentic, in (0, 0.5].
        seed: Of the deal of origins to folds.
    """

    folds: int = 5
    miss_rate: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise ConfigError(f"folds must be at least 2, not {self.folds}")
        if not 0 < self.miss_rate <= 0.5:
            raise ConfigError(f"miss_rate must be in (0, 0.5], not {self.miss_rate}")


@dataclass(frozen=True)
class Affine:
    """llr = slope * score + intercept, in natural-log units."""

    slope: float
    intercept: float

    def __call__(self, scores: Floats) -> Floats:
        """Return the likelihood ratios of raw scores."""
        return self.slope * scores + self.intercept


def calibrate(
    rows: Sequence[Row],
    *,
    calibration_id: str,
    kind: str,
    data_hash: str,
    settings: CalibrationSettings = CalibrationSettings(),
) -> dict[str, Any]:
    """Return the `calibration` block of a model's config.json with what it reaches on held-out origins.

    Args:
        rows: Predictions of one detector, any perturbations; raw scores are used where all rows have them.
        calibration_id: Names the calibration in every Report.
        kind: Kind of media.
        data_hash: Of the data set, so that a reader can tell what it was fitted to.
        settings: Folds, accepted misses and seed.

    Raises:
        ConfigError: Fewer than two origins of a label: nothing could be held out.
    """
    scores = Scores.of(rows)
    reals = {o for o, fake in zip(scores.origins, scores.is_fake, strict=True) if not fake}
    fakes = {o for o, fake in zip(scores.origins, scores.is_fake, strict=True) if fake}
    if min(len(reals), len(fakes)) < MIN_ORIGINS:
        raise ConfigError(
            f"calibration needs files of {MIN_ORIGINS} sources and {MIN_ORIGINS} generators; "
            f"found {len(reals)} and {len(fakes)}"
        )
    weights = origin_weights(scores.is_fake, scores.origins)
    affine = fit_affine(scores.is_fake, scores.rank_by, weights)
    held_out = {
        "affine": _held_out(scores, fit_affine, settings),
        "isotonic": _held_out(scores, fit_isotonic, settings),
    }
    cap = round(float(np.log(min(len(reals), len(fakes)))) + 1.0, 3)
    return {
        "id": calibration_id,
        "kind": kind,
        "method": "logistic",
        "slope": round(affine.slope, 6),
        "intercept": round(affine.intercept, 6),
        "cap": cap,  # a ratio larger than the number of independent origins behind it cannot be told from the data
        "thresholds": _thresholds(scores, weights, held_out["affine"], cap, settings),
        "n_real": int((~scores.is_fake).sum()),
        "n_fake": int(scores.is_fake.sum()),
        "n_sources": len(reals),
        "n_generators": len(fakes),
        "data_hash": data_hash,
        "held_out": {
            "folds": min(settings.folds, len(reals), len(fakes)),
            "cllr_before": _cllr(scores, scores.llr),
            "cllr": _cllr(scores, held_out["affine"]),
            "cllr_isotonic": _cllr(scores, held_out["isotonic"]),
            "min_cllr": measures.min_cllr(Ranked(scores.is_fake, scores.rank_by)),
            "ece": _ece(scores, held_out["affine"]),
            "reliability": reliability(scores.is_fake, held_out["affine"]),
        },
    }


def origin_weights(is_fake: Bools, origins: Sequence[str]) -> Floats:
    """Return weights that sum to 1 within each label, the same for every origin of a label."""
    keys = [(bool(fake), origin) for fake, origin in zip(is_fake, origins, strict=True)]
    counts = {key: keys.count(key) for key in set(keys)}
    labels = {label: sum(1 for fake, _ in counts if fake is label) for label in (False, True)}
    return np.asarray([1.0 / (labels[key[0]] * counts[key]) for key in keys])


def fit_affine(is_fake: Bools, scores: Floats, weights: Floats) -> Affine:
    """Return the affine map; a detector no better than chance gets a flat one, which always abstains."""
    from sklearn.linear_model import LogisticRegression

    scale = float(np.std(scores)) or 1.0  # so that the light penalty means the same for every detector's units
    model = LogisticRegression(C=1e4, max_iter=1000).fit(
        scores[:, None] / scale, is_fake, sample_weight=weights * len(scores) / weights.sum()
    )
    slope, intercept = float(model.coef_[0, 0]) / scale, float(model.intercept_[0])
    return Affine(slope, intercept) if slope * scale >= _LEAST_SLOPE else Affine(_LEAST_SLOPE / scale, 0.0)


def fit_isotonic(is_fake: Bools, scores: Floats, weights: Floats) -> _Map:
    """Return the best monotone map (PAV), softened by one imagined file of each label at every level."""
    from sklearn.isotonic import IsotonicRegression

    soft = 1.0 / len(scores)
    model = IsotonicRegression(y_min=soft, y_max=1.0 - soft, out_of_bounds="clip")
    model.fit(scores, is_fake.astype(float), sample_weight=weights)

    def apply(values: Floats) -> Floats:
        p = model.predict(values)
        llr: Floats = np.log(p) - np.log1p(-p)
        return llr

    return apply


def _held_out(scores: Scores, fit: Callable[[Bools, Floats, Floats], _Map], settings: CalibrationSettings) -> Floats:
    """Return each item's llr from a map fitted without its origin."""
    folds = deal_folds(scores.is_fake, scores.origins, folds=settings.folds, seed=settings.seed)
    llr = np.full(len(folds), np.nan)
    for fold in np.unique(folds):
        rest, own = folds != fold, folds == fold
        origins = [origin for origin, keep in zip(scores.origins, rest, strict=True) if keep]
        fitted = fit(scores.is_fake[rest], scores.rank_by[rest], origin_weights(scores.is_fake[rest], origins))
        llr[own] = fitted(scores.rank_by[own])
    return llr


def deal_folds(is_fake: Bools, origins: Sequence[str], *, folds: int, seed: int) -> np.ndarray[Any, Any]:
    """Return each item's fold: whole origins, each label dealt evenly, so that every fold's rest holds both labels."""
    rng = np.random.default_rng(seed)
    place: dict[tuple[bool, str], int] = {}
    by_label = {
        label: sorted({origin for origin, fake in zip(origins, is_fake, strict=True) if bool(fake) is label})
        for label in (False, True)
    }
    count = min(folds, *(len(names) for names in by_label.values()))
    for label, names in by_label.items():
        for index, name in enumerate(rng.permutation(names)):
            place[label, str(name)] = index % count
    return np.asarray([place[bool(fake), origin] for fake, origin in zip(is_fake, origins, strict=True)])


def _thresholds(
    scores: Scores, weights: Floats, held_out: Floats, cap: float, settings: CalibrationSettings
) -> list[dict[str, float]]:
    """Return a row a budget: thresholds on held-out ratios, every origin weighing the same.

    A budget below what the files can show (one of the n + 1 ranks of a split-conformal quantile) gets a threshold above
    the cap: nothing is accused there.
    """
    llr = np.clip(held_out, -cap, cap)
    reals, fakes = llr[~scores.is_fake], llr[scores.is_fake]
    authentic = min(_quantile(fakes, weights[scores.is_fake], settings.miss_rate), -0.1)
    rows = []
    for budget in BUDGETS:
        if budget * (len(reals) + 1) < 1.0:
            threshold = cap + 1e-3
        else:
            threshold = max(_quantile(reals, weights[~scores.is_fake], 1.0 - budget) + 1e-4, 0.1)
        rows.append(
            {
                "max_false_positive_rate": budget,
                "synthetic_llr": round(threshold, 4),
                "authentic_llr": round(authentic, 4),
            }
        )
    return rows


def _quantile(values: Floats, weights: Floats, share: float) -> float:
    """Return the smallest value at or below which `share` of the weight lies."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(len(values) - 1, int(np.searchsorted(reached, share)))])


def _cllr(scores: Scores, llr: Floats) -> float:
    return measures.cllr(scores.is_fake, llr)


def _ece(scores: Scores, llr: Floats) -> float:
    return measures.expected_calibration_error(scores.is_fake, 1.0 / (1.0 + np.exp(-llr)), _even(scores.is_fake))


def _even(is_fake: Bools) -> Floats:
    """Return weights under which both labels count half: likelihood ratios are judged at even prior odds."""
    weights: Floats = np.where(is_fake, 0.5 / max(1, is_fake.sum()), 0.5 / max(1, (~is_fake).sum()))
    return weights


def reliability(is_fake: Bools, llr: Floats, *, bins: int = 8) -> list[dict[str, Any]]:
    """Return stated against observed probability in bins of equal numbers of files, at even prior odds.

    Each line holds the mean stated P(synthetic), the observed share of fakes with its Wilson interval, and the files.
    """
    order = np.argsort(llr, kind="stable")
    prior = np.log(max(1, is_fake.sum()) / max(1, (~is_fake).sum()))
    lines = []
    for part in np.array_split(order, min(bins, len(order))):
        stated = 1.0 / (1.0 + np.exp(-(llr[part] + prior)))  # at the prior of these files, as the share is
        lines.append({"stated": float(stated.mean()), "observed": wilson(is_fake[part].tolist())})
    return lines

"""Intervals by resampling origins, not files.

Files of one generator or one camera collection resemble one another; resampling files pretends that they are
independent and gives intervals that are far too narrow. Each replicate draws real sources and generators with
replacement, separately, and takes all their files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detect.bench.metrics.ranking import Bools, Floats

Metrics = Callable[[Floats], Mapping[str, float]]
"""Weights of the items -> metrics by name; may raise ValueError or ZeroDivisionError for a replicate without answer."""


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; `low` and `high` are None when fewer than two origins of a label exist."""

    value: float
    low: float | None = None
    high: float | None = None


def replicate_weights(is_fake: Bools, origins: Sequence[str], *, replicates: int = 1000, seed: int = 0) -> Floats:
    """Return how often each replicate draws each item, shape (replicates, items).

    Origins are resampled within each label, so that every replicate holds both.
    """
    rng = np.random.default_rng(seed)
    names = np.asarray([f"{'f' if fake else 'r'}\t{origin}" for fake, origin in zip(is_fake, origins, strict=True)])
    weights = np.zeros((replicates, len(names)))
    for label in (False, True):
        chosen = np.flatnonzero(is_fake == label)
        if not len(chosen):
            continue
        kinds, index = np.unique(names[chosen], return_inverse=True)
        draws = rng.multinomial(len(kinds), np.full(len(kinds), 1.0 / len(kinds)), size=replicates)
        weights[:, chosen] = draws[:, index]
    return weights


def estimate(metrics: Metrics, weights: Floats) -> dict[str, Estimate]:
    """Return the metrics on all items once, each with the 2.5 and 97.5 % quantiles over the replicates."""
    values = metrics(np.ones(weights.shape[1]))
    if not len(weights) or not np.any(np.var(weights, axis=0) > 0):
        return {name: Estimate(value) for name, value in values.items()}  # one origin a label: no spread to see
    found: dict[str, list[float]] = {name: [] for name in values}
    for row in weights:
        try:
            replicate = metrics(row)
        except (ValueError, ZeroDivisionError):
            continue
        for name, value in replicate.items():
            if np.isfinite(value):
                found[name].append(value)
    return {name: _interval(value, found[name], len(weights)) for name, value in values.items()}


def _interval(value: float, found: Sequence[float], replicates: int) -> Estimate:
    if len(found) < replicates / 2:
        return Estimate(value)
    low, high = np.quantile(found, [0.025, 0.975])
    return Estimate(value, float(low), float(high))

"""How much scores mean: Brier, ECE, Cllr and its floor, detection cost.

Cllr: Bruemmer and du Preez, "Application-independent evaluation of speaker detection", Computer Speech and Language 20
(2006), eq. 12. 0 = perfect, 1 = as informative as always saying "even odds", above 1 = misleading. Unit: bits.
"""

from __future__ import annotations

import numpy as np

from detect.bench.metrics.ranking import Bools, Floats, Ranked


def brier(is_fake: Bools, p_synthetic: Floats, weights: Floats | None = None) -> float:
    """Return the mean squared error of the probability."""
    return float(np.average((p_synthetic - is_fake) ** 2, weights=weights))


def expected_calibration_error(
    is_fake: Bools, p_synthetic: Floats, weights: Floats | None = None, *, bins: int = 15
) -> float:
    """Return the mean |share of fakes - mean p| over equal-width bins (Guo et al. 2017, eq. 3, for P(fake))."""
    weights = np.ones(len(p_synthetic)) if weights is None else weights
    index = np.minimum((p_synthetic * bins).astype(int), bins - 1)
    total = np.bincount(index, weights, bins)
    gap = np.abs(np.bincount(index, weights * is_fake, bins) - np.bincount(index, weights * p_synthetic, bins))
    return float(gap.sum() / total.sum())


def cllr(is_fake: Bools, llr: Floats, weights: Floats | None = None) -> float:
    """Return the log-likelihood-ratio cost in bits; both labels weigh half, whatever their numbers."""
    weights = np.ones(len(llr)) if weights is None else weights
    misses = np.logaddexp(0.0, -llr[is_fake])
    alarms = np.logaddexp(0.0, llr[~is_fake])
    fakes = np.average(misses, weights=weights[is_fake])
    reals = np.average(alarms, weights=weights[~is_fake])
    return float((fakes + reals) / (2 * np.log(2)))


def min_cllr(ranked: Ranked, weights: Floats | None = None) -> float:
    """Return the Cllr after the best monotone calibration on these very files (PAV): the discrimination loss alone."""
    fakes, reals = ranked.weigh(weights)
    used = fakes + reals > 0
    fakes, reals = fakes[used], reals[used]
    llr = pav_llr(fakes, reals)
    with np.errstate(invalid="ignore"):  # infinite llr only meets weight 0
        misses = np.where(fakes > 0, fakes * np.logaddexp(0.0, -llr), 0.0)
        alarms = np.where(reals > 0, reals * np.logaddexp(0.0, llr), 0.0)
    return float((misses.sum() / fakes.sum() + alarms.sum() / reals.sum()) / (2 * np.log(2)))


def pav_llr(fakes: Floats, reals: Floats) -> Floats:
    """Return the best monotone llr at each distinct score, highest first; infinite where the labels separate.

    Args:
        fakes: Weight of fakes at each distinct score, highest score first.
        reals: Weight of reals there; each score has some weight of either.
    """
    from sklearn.isotonic import isotonic_regression

    total = fakes + reals
    p = isotonic_regression(fakes / total, sample_weight=total, increasing=False)
    prior = np.log(fakes.sum() / reals.sum())
    with np.errstate(divide="ignore"):
        llr: Floats = np.log(p) - np.log1p(-p) - prior
    return llr


def actual_dcf(
    is_fake: Bools,
    llr: Floats,
    weights: Floats | None = None,
    *,
    prior_fake: float = 0.05,
    cost_miss: float = 10.0,
    cost_alarm: float = 1.0,
) -> float:
    """Return the normalised detection cost at the threshold that Bayes' rule sets for a calibrated llr."""
    weights = np.ones(len(llr)) if weights is None else weights
    threshold = np.log(cost_alarm * (1.0 - prior_fake) / (cost_miss * prior_fake))
    accused = llr >= threshold
    miss = np.average(~accused[is_fake], weights=weights[is_fake])
    alarm = np.average(accused[~is_fake], weights=weights[~is_fake])
    expected = cost_miss * prior_fake * miss + cost_alarm * (1.0 - prior_fake) * alarm
    return float(expected / min(cost_miss * prior_fake, cost_alarm * (1.0 - prior_fake)))

"""DeLong's test for two AUCs on the same files.

DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988); fast mid-rank form of Sun and Xu, IEEE SPL 21 (2014).
The test treats files as independent; read it beside the interval that resamples origins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from detect.bench.metrics.ranking import Bools, Floats


@dataclass(frozen=True)
class PairedAuc:
    """Two AUCs, their difference (first minus second), its standard error, and the two-sided p-value."""

    first: float
    second: float
    difference: float
    standard_error: float
    p_value: float


def compare_auc(is_fake: Bools, first: Floats, second: Floats) -> PairedAuc:
    """Return DeLong's comparison of two detectors' scores on the same files.

    Raises:
        ValueError: Fewer than two files of a label: the variance is undefined.
    """
    if is_fake.sum() < 2 or (~is_fake).sum() < 2:
        raise ValueError("DeLong's test needs two files of each label")
    aucs, covariance = _auc_covariance(is_fake, np.vstack([first, second]))
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    difference = float(aucs[0] - aucs[1])
    error = math.sqrt(max(float(variance), 0.0))
    if error < 1e-12:  # the same order of files: nothing to tell apart unless the AUCs differ
        p_value = 1.0 if abs(difference) < 1e-12 else 0.0
    else:
        p_value = math.erfc(abs(difference) / error / math.sqrt(2))
    return PairedAuc(float(aucs[0]), float(aucs[1]), difference, error, p_value)


def _auc_covariance(is_fake: Bools, scores: Floats) -> tuple[Floats, Floats]:
    """Return AUCs (detectors,) and their covariance (detectors, detectors)."""
    fakes, reals = scores[:, is_fake], scores[:, ~is_fake]
    m, n = fakes.shape[1], reals.shape[1]
    joint = np.hstack([fakes, reals])
    ranks_all = np.vstack([rankdata(row) for row in joint])
    ranks_fake = np.vstack([rankdata(row) for row in fakes])
    ranks_real = np.vstack([rankdata(row) for row in reals])
    aucs = (ranks_all[:, :m].sum(axis=1) / m - (m + 1) / 2) / n
    v10 = (ranks_all[:, :m] - ranks_fake) / n  # (detectors, fakes)
    v01 = 1.0 - (ranks_all[:, m:] - ranks_real) / m  # (detectors, reals)
    return aucs, np.cov(v10) / m + np.cov(v01) / n

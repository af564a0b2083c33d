"""Thresholds keep their budgets on the data they were fitted on, overall and for the worst large source."""

import numpy as np
import pytest

from detect.fusion import Calibration
from detect.training.image.calibration import (
    HeldOutScore,
    fit_calibration,
    origin_weights,
    tail_threshold,
    weighted_quantile,
)


def held_out(seed: int = 0, *, odd_source: float = 0.0) -> list[HeldOutScore]:
    rng = np.random.default_rng(seed)
    scores = []
    for source in range(10):
        shift = odd_source if source == 0 else 0.0
        scores += [HeldOutScore(False, f"r{source}", "clean", float(rng.normal(-1 + shift, 1))) for _ in range(40)]
        scores += [HeldOutScore(True, f"f{source}", "clean", float(rng.normal(1, 1))) for _ in range(10)]
    return scores


def fit(scores):
    return fit_calibration(scores, calibration_id="t", largest_source_rate=0.05, miss_rate=0.05)


def test_slope_and_intercept_recover_the_true_ratio():
    """Two unit normals at -1 and +1 have the log ratio 2x."""
    block = fit(held_out())
    assert block["slope"] == pytest.approx(2.0, rel=0.25)
    assert block["intercept"] == pytest.approx(0.0, abs=0.35)


def test_default_budget_is_kept_overall_and_for_the_worst_source():
    scores = held_out(odd_source=1.5)
    block = fit(scores)
    calibration = Calibration.from_config(block)
    threshold = calibration.operating(0.02).synthetic_threshold
    reals = [(item.origin, block["slope"] * item.logit + block["intercept"]) for item in scores if not item.is_fake]
    accused = [(origin, llr >= threshold) for origin, llr in reals]
    assert np.mean([flag for _, flag in accused]) <= 0.02
    assert max(np.mean([flag for o, flag in accused if o == origin]) for origin in {o for o, _ in accused}) <= 0.05


def test_smaller_budgets_never_have_lower_thresholds():
    rows = fit(held_out())["thresholds"]
    thresholds = [row["synthetic_llr"] for row in sorted(rows, key=lambda row: row["max_false_positive_rate"])]
    assert thresholds == sorted(thresholds, reverse=True)


def test_every_origin_weighs_the_same_within_its_label():
    scores = [HeldOutScore(False, "big", "clean", 0.0)] * 90 + [HeldOutScore(False, "small", "clean", 0.0)] * 10
    weights = origin_weights([*scores, HeldOutScore(True, "f", "clean", 1.0)])
    assert weights[:90].sum() == pytest.approx(weights[90:100].sum())


def test_unresolved_rates_extrapolate_beyond_the_sample():
    values = np.random.default_rng(0).exponential(1.0, 200)
    weights = np.ones(200)
    assert tail_threshold(values, weights, 0.001) > values.max()
    assert tail_threshold(values, weights, 0.1) == weighted_quantile(values, weights, 0.9)


def test_a_source_of_few_files_judged_under_many_perturbations_has_no_rate_of_its_own():
    def threshold(names: list[str], count: int) -> float:
        odd = [HeldOutScore(False, "odd", name, 6.0) for name in names for _ in range(count)]
        return fit(held_out() + odd)["thresholds"][-1]["synthetic_llr"]  # the budget that allows a fifth

    few, many = threshold(["clean", "laundered", "jpeg_50"], 7), threshold(["clean"], 21)
    assert few < many / 2

"""Calibration is read from data and never accuses more than its budget allows."""

import pytest

from detect.errors import ConfigError
from detect.fusion import Calibration

BLOCK = {
    "id": "test",
    "slope": 2.0,
    "intercept": -0.5,
    "cap": 3.0,
    "thresholds": [
        {"max_false_positive_rate": 0.05, "synthetic_llr": 1.5, "authentic_llr": -1.0},
        {"max_false_positive_rate": 0.01, "synthetic_llr": 2.5, "authentic_llr": -1.0},
    ],
}


@pytest.mark.parametrize(("logit", "llr"), [(0.0, -0.5), (1.0, 1.5), (10.0, 3.0), (-10.0, -3.0)])
def test_llr_is_affine_within_its_cap(logit, llr):
    assert Calibration.from_config(BLOCK).llr(logit) == pytest.approx(llr)


@pytest.mark.parametrize(
    ("budget", "threshold"),
    [
        pytest.param(0.05, 1.5, id="a-row"),
        pytest.param(0.02, 2.5, id="between-rows-takes-the-stricter"),
        pytest.param(0.3, 1.5, id="above-all-rows"),
        pytest.param(0.001, float("inf"), id="below-all-rows-accuses-nobody"),
    ],
)
def test_budget_picks_a_row_that_keeps_it(budget, threshold):
    assert Calibration.from_config(BLOCK).operating(budget).synthetic_threshold == threshold


@pytest.mark.parametrize("budget", [0.0, -0.1, 0.51, 1.0])
def test_budget_outside_its_range_is_refused(budget):
    with pytest.raises(ConfigError, match="max_false_positive_rate"):
        Calibration.from_config(BLOCK).operating(budget)


@pytest.mark.parametrize(
    "broken", [{"slope": -1.0}, {"slope": "x"}, {"thresholds": []}, {"thresholds": [{"synthetic_llr": 1}]}]
)
def test_unusable_block_is_refused(broken):
    with pytest.raises(ConfigError):
        Calibration.from_config({**BLOCK, **broken})

"""Metrics against scikit-learn, published examples, and values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from detect.bench.metrics import calibration
from detect.bench.metrics.bootstrap import estimate, replicate_weights
from detect.bench.metrics.decisions import decisions, risk_coverage
from detect.bench.metrics.delong import compare_auc
from detect.bench.metrics.ranking import Ranked, auroc, roc


@pytest.fixture(params=[(0, 3), (1, 40), (2, 400)], ids=["tiny", "small", "large"])
def scored(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    seed, count = request.param
    rng = np.random.default_rng(seed)
    is_fake = np.concatenate([np.zeros(count, bool), np.ones(count + 2, bool)])
    scores = np.round(rng.normal(is_fake * 0.8, 1.0), 1)  # rounded, so that ties occur
    return is_fake, scores


def test_auroc_equals_scikit_learn(scored: tuple[np.ndarray, np.ndarray]) -> None:
    is_fake, scores = scored
    assert auroc(is_fake, scores) == pytest.approx(reference.roc_auc_score(is_fake, scores), abs=1e-12)


def test_average_precision_equals_scikit_learn(scored: tuple[np.ndarray, np.ndarray]) -> None:
    is_fake, scores = scored
    expected = reference.average_precision_score(is_fake, scores)
    assert roc(is_fake, scores).average_precision == pytest.approx(expected, abs=1e-12)


def test_weighted_roc_equals_repeated_items(scored: tuple[np.ndarray, np.ndarray]) -> None:
    is_fake, scores = scored
    weights = np.random.default_rng(5).integers(0, 4, len(scores)).astype(float)
    weights[[0, -1]] = 1
    often = np.repeat(np.arange(len(scores)), weights.astype(int))
    weighted, repeated = roc(is_fake, scores, weights), roc(is_fake[often], scores[often])
    assert weighted.auroc == pytest.approx(repeated.auroc)
    assert weighted.eer == pytest.approx(repeated.eer)
    assert weighted.average_precision == pytest.approx(repeated.average_precision)


def test_tpr_at_fpr_equals_scikit_learns_curve(scored: tuple[np.ndarray, np.ndarray]) -> None:
    is_fake, scores = scored
    fpr, tpr, _ = reference.roc_curve(is_fake, scores, drop_intermediate=False)
    for point in (0.05, 0.01):
        assert roc(is_fake, scores).tpr_at(point) == pytest.approx(tpr[fpr <= point].max())


def test_brier_equals_scikit_learn(scored: tuple[np.ndarray, np.ndarray]) -> None:
    is_fake, scores = scored
    p = 1 / (1 + np.exp(-scores))
    assert calibration.brier(is_fake, p) == pytest.approx(reference.brier_score_loss(is_fake, p))


def test_eer_where_one_threshold_is_exact() -> None:
    # one of four reals above the threshold, one of four fakes below it
    is_fake = np.array([0, 0, 0, 0, 1, 1, 1, 1], bool)
    scores = np.array([0.1, 0.2, 0.3, 0.8, 0.25, 0.7, 0.9, 1.0])
    assert roc(is_fake, scores).eer == pytest.approx(0.25)


def test_eer_of_perfect_and_of_inverted_scores() -> None:
    is_fake = np.array([0, 0, 1, 1], bool)
    assert roc(is_fake, np.array([0.0, 0.1, 0.9, 1.0])).eer == 0.0
    assert roc(is_fake, np.array([1.0, 0.9, 0.1, 0.0])).eer == 1.0


def test_cllr_of_uninformative_perfect_and_misleading_ratios() -> None:
    is_fake = np.array([0, 0, 1, 1], bool)
    assert calibration.cllr(is_fake, np.zeros(4)) == pytest.approx(1.0)
    assert calibration.cllr(is_fake, np.array([-50.0, -50, 50, 50])) == pytest.approx(0.0, abs=1e-9)
    assert calibration.cllr(is_fake, np.array([3.0, 3, -3, -3])) > 1.0


def test_cllr_by_hand() -> None:
    # LR 4 for the fake, 1/2 for the real: (log2(1 + 1/4) + log2(1 + 1/2)) / 2
    expected = (np.log2(1.25) + np.log2(1.5)) / 2
    assert calibration.cllr(np.array([True, False]), np.log([4.0, 0.5])) == pytest.approx(expected)


def test_min_cllr_is_the_cllr_of_the_true_class_shares() -> None:
    # two distinct scores with 1:3 and 3:1 fakes to reals: PAV gives LR 1/3 and 3
    is_fake = np.array([1, 0, 0, 0, 1, 1, 1, 0], bool)
    scores = np.array([0.0, 0, 0, 0, 1, 1, 1, 1])
    expected = calibration.cllr(is_fake, np.where(scores > 0, np.log(3), -np.log(3)))
    assert calibration.min_cllr(Ranked(is_fake, scores)) == pytest.approx(expected)


def test_min_cllr_ignores_monotone_changes_and_never_exceeds_cllr(scored: tuple[np.ndarray, np.ndarray]) -> None:
    is_fake, scores = scored
    least = calibration.min_cllr(Ranked(is_fake, scores))
    assert least == pytest.approx(calibration.min_cllr(Ranked(is_fake, np.exp(scores) * 7 - 3)))
    assert least <= calibration.cllr(is_fake, scores) + 1e-12


def test_ece_by_hand() -> None:
    # bin of p=0.9 holds 1 of 2 fakes (gap 0.4), bin of p=0.1 holds 0 of 2 (gap 0.1)
    is_fake = np.array([1, 0, 0, 0], bool)
    p = np.array([0.9, 0.9, 0.1, 0.1])
    assert calibration.expected_calibration_error(is_fake, p) == pytest.approx(0.25)


def test_min_dcf_of_perfect_and_useless_scores() -> None:
    is_fake = np.array([0, 0, 1, 1], bool)
    assert roc(is_fake, np.array([0.0, 0, 1, 1])).min_dcf() == 0.0
    assert roc(is_fake, np.zeros(4)).min_dcf() == pytest.approx(1.0)


def test_delong_reproduces_the_variance_of_the_structural_components() -> None:
    # DeLong et al. 1988 eq. 3-5, computed pair by pair
    rng = np.random.default_rng(3)
    is_fake = np.concatenate([np.zeros(15, bool), np.ones(12, bool)])
    first, second = (np.round(rng.normal(is_fake * shift, 1), 1) for shift in (1.0, 0.4))

    def components(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        psi = (scores[is_fake][:, None] > scores[~is_fake]) + 0.5 * (scores[is_fake][:, None] == scores[~is_fake])
        return psi.mean(axis=1), psi.mean(axis=0)

    (a10, a01), (b10, b01) = components(first), components(second)
    variance = np.var(a10 - b10, ddof=1) / 12 + np.var(a01 - b01, ddof=1) / 15
    found = compare_auc(is_fake, first, second)
    assert found.standard_error == pytest.approx(np.sqrt(variance))
    assert found.difference == pytest.approx(auroc(is_fake, first) - auroc(is_fake, second))


def test_delong_of_a_detector_with_itself_finds_nothing() -> None:
    is_fake = np.array([0, 0, 0, 1, 1, 1], bool)
    scores = np.array([0.1, 0.5, 0.3, 0.4, 0.9, 0.8])
    assert compare_auc(is_fake, scores, 3 * scores).p_value == 1.0


def test_bootstrap_draws_whole_origins_of_both_labels() -> None:
    is_fake = np.array([0, 0, 0, 1, 1, 1], bool)
    origins = ["a", "a", "b", "x", "y", "y"]
    weights = replicate_weights(is_fake, origins, replicates=200, seed=1)
    assert (weights[:, 0] == weights[:, 1]).all() and (weights[:, 4] == weights[:, 5]).all()
    assert (weights[:, 0] + weights[:, 2] == 2).all() and (weights[:, 3] + weights[:, 4] == 2).all()


def test_interval_widens_when_files_come_from_few_origins() -> None:
    rng = np.random.default_rng(0)
    is_fake = np.repeat([False, True], 60)
    shift = np.repeat(rng.normal(0, 1, 8), 15)  # 4 origins a label, each with its own offset
    scores = is_fake + shift + rng.normal(0, 0.3, 120)
    clustered = replicate_weights(is_fake, [str(i // 15) for i in range(120)], replicates=300)
    independent = replicate_weights(is_fake, [str(i) for i in range(120)], replicates=300)
    ranked = Ranked(is_fake, scores)
    wide, narrow = (
        estimate(lambda w: {"auroc": ranked.roc(w).auroc}, weights)["auroc"] for weights in (clustered, independent)
    )
    assert wide.value == narrow.value
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)  # type: ignore[operator]


def test_one_origin_a_label_gives_no_interval() -> None:
    is_fake = np.array([0, 0, 1, 1], bool)
    found = estimate(lambda w: {"mean": 1.0}, replicate_weights(is_fake, ["a", "a", "b", "b"], replicates=50))
    assert found["mean"].low is None


def test_decisions_count_abstentions_as_not_accused() -> None:
    is_fake = np.array([0, 0, 0, 0, 1, 1], bool)
    accused = np.array([1, 0, 0, 0, 1, 0], bool)
    acquitted = np.array([0, 1, 1, 0, 0, 0], bool)
    found = decisions(is_fake, accused, acquitted)
    assert (found.false_accusation_rate, found.recall, found.coverage) == (0.25, 0.5, pytest.approx(4 / 6))
    assert found.balanced_accuracy == pytest.approx((0.5 + 0.75) / 2)
    assert found.decided_accuracy == pytest.approx((1.0 + 2 / 3) / 2)


def test_risk_coverage_answers_the_surest_first() -> None:
    curve = risk_coverage(np.array([1, 0, 1], bool), np.array([5.0, -4.0, -0.1]))
    assert curve.risk.tolist() == [0.0, 0.0, pytest.approx(1 / 3)]
    assert curve.area == pytest.approx(1 / 9)


def test_ranking_needs_both_labels() -> None:
    with pytest.raises(ValueError, match="both labels"):
        auroc(np.ones(3, bool), np.zeros(3))


def test_error_rates_and_costs_equal_the_evaluation_package_of_asvspoof_5() -> None:
    # from calculate_modules.py of asvspoof-challenge/asvspoof5, on the same scores (theirs: larger = bona fide)
    index = np.arange(1, 401)
    is_fake = index % 4 != 0
    noise = 1.7 * np.sin(12.9898 * index) * np.cos(0.7 * index) + 0.4 * np.sin(0.37 * index)
    llr = np.where(is_fake, 1.1, -0.9) + noise
    curve = roc(is_fake, llr)
    assert curve.eer == pytest.approx(0.14)
    assert curve.min_dcf() == pytest.approx(0.3426666666666666)
    assert calibration.actual_dcf(is_fake, llr) == pytest.approx(0.37933333333333336)
    assert calibration.cllr(is_fake, llr) == pytest.approx(0.5611613241670854)

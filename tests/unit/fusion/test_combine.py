"""The ledger adds up, bounds hold, and neither order nor absence changes what they must not."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.fusion import combine, log_odds, sigmoid
from detect.types import Evidence, Interval, Status

LLRS = st.floats(-8, 8)


def scored(llr: float, source: str = "image.pixels", **bounds: float) -> Evidence:
    return Evidence(source, Status.SCORED, llr=llr, **bounds)


def silent(source: str, status: Status = Status.NOT_APPLICABLE) -> Evidence:
    return Evidence(source, status)


EVIDENCE = st.lists(
    st.builds(
        lambda llr, source, floor, ceiling: scored(
            llr, source, p_synthetic_floor=floor, p_synthetic_ceiling=None if floor is not None else ceiling
        ),
        LLRS,
        st.sampled_from(["image.pixels", "video.frames", "provenance.c2pa", "provenance.metadata", "watermark.dwt"]),
        st.none() | st.floats(0.01, 0.99),
        st.none() | st.floats(0.01, 0.99),
    ),
    min_size=1,
    max_size=6,
)


@given(EVIDENCE, st.floats(-3, 3))
def test_contributions_and_prior_add_up_to_the_score(evidence, prior):
    posterior = combine(evidence, prior_log_odds=prior)
    total = prior + sum(line.llr for line in posterior.contributions)
    assert sigmoid(-total) == pytest.approx(posterior.authenticity, abs=1e-6)
    assert 0.0 <= posterior.authenticity <= 1.0


@given(EVIDENCE, st.randoms())
def test_order_of_evidence_does_not_change_the_score(evidence, rng):
    shuffled = list(evidence)
    rng.shuffle(shuffled)
    assert combine(shuffled).log_odds == pytest.approx(combine(evidence).log_odds, abs=1e-9)


def test_ties_between_correlated_classifiers_do_not_fall_to_the_order():
    bounded = scored(1.0, p_synthetic_ceiling=0.5)
    for first, second in [(scored(1.0), bounded), (scored(1.0), scored(-1.0))]:
        assert combine([first, second]).log_odds == combine([second, first]).log_odds


@given(LLRS, st.floats(0, 5))
def test_more_evidence_towards_synthetic_never_raises_authenticity(llr, more):
    assert combine([scored(llr + more)]).authenticity <= combine([scored(llr)]).authenticity + 1e-12


@given(LLRS)
def test_evidence_that_did_not_score_changes_nothing(llr):
    silents = [silent("provenance.c2pa"), silent("provenance.metadata", Status.FAILED)]
    assert combine([scored(llr), *silents]).log_odds == combine([scored(llr)]).log_odds


def test_nothing_scored_gives_no_posterior():
    assert combine([silent("image.pixels"), silent("provenance.c2pa")]) is None


@pytest.mark.parametrize(
    ("pixels", "bounded", "expected"),
    [
        pytest.param(-4.0, scored(3.0, "provenance.c2pa", p_synthetic_floor=0.99), log_odds(0.99), id="override-up"),
        pytest.param(6.0, scored(3.0, "provenance.c2pa", p_synthetic_floor=0.99), 9.0, id="floor-already-passed"),
        pytest.param(0.0, scored(9.0, "provenance.metadata", p_synthetic_ceiling=0.97), log_odds(0.97), id="limit-up"),
        pytest.param(5.0, scored(3.0, "provenance.metadata", p_synthetic_ceiling=0.97), 5.0, id="limit-never-lowers"),
        pytest.param(-3.0, scored(-4.0, "provenance.c2pa", p_synthetic_floor=0.02), log_odds(0.02), id="limit-down"),
        pytest.param(-6.0, scored(-3.0, "provenance.c2pa", p_synthetic_floor=0.02), -6.0, id="limit-never-raises"),
    ],
)
def test_policy_bounds(pixels, bounded, expected):
    assert combine([scored(pixels), bounded]).log_odds == pytest.approx(expected)


def test_classifiers_of_the_same_pixels_are_not_summed():
    both = combine([scored(3.0), scored(3.0, "video.frames")])
    assert 3.0 < both.log_odds < 4.0
    assert any("counts less" in line.note for line in both.contributions)


def test_intervals_of_independent_sources_add_in_squares():
    first = Evidence("image.pixels", Status.SCORED, llr=1.0, interval=Interval(-2.0, 4.0))
    second = Evidence("audio.speech", Status.SCORED, llr=1.0, interval=Interval(-3.0, 5.0))
    interval = combine([first, second]).interval
    assert interval.high - interval.low == pytest.approx(2 * math.hypot(3, 4))


@pytest.mark.parametrize("x", [-800.0, -1.0, 0.0, 1.0, 800.0])
def test_sigmoid_never_overflows(x):
    assert 0.0 <= sigmoid(x) <= 1.0
    assert sigmoid(x) + sigmoid(-x) == pytest.approx(1.0)


def total_of(frames: float, face: float) -> float:
    return combine([scored(frames, "video.frames"), scored(face, "face.swap")]).log_odds


def test_real_frames_do_not_clear_a_face_that_looks_swapped():
    assert total_of(-2.0, 1.8) == pytest.approx(-0.2)
    assert total_of(-6.0, 1.8) == pytest.approx(1.8 - math.log(10))
    assert total_of(-2.0, 0.0) == pytest.approx(-2.0)  # a face that says nothing changes nothing
    assert total_of(-2.0, -1.0) == pytest.approx(-2.25)  # as do two that agree
    assert total_of(2.0, 1.0) == pytest.approx(2.25)


@given(st.floats(-8, -0.01), st.floats(0.01, 8), st.floats(0, 2))
def test_a_face_that_looks_more_swapped_never_lowers_the_score(frames, face, more):
    assert total_of(frames, face + more) >= total_of(frames, face) - 1e-9
    ledger = combine([scored(frames, "video.frames"), scored(face, "face.swap")])
    assert sum(line.llr for line in ledger.contributions) == pytest.approx(ledger.log_odds)

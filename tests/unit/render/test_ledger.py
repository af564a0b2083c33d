"""The ledger adds up to the score, and its bars join."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.render.ledger import MIN_AXIS_NATS, authenticity_of, build_ledger
from detect.types import Contribution, Report, Verdict
from tests.unit.render.samples import picture_report

nats = st.floats(-50, 50)


def report_of(prior: float, llrs: list[float]) -> Report:
    contributions = tuple(Contribution(f"s.{number}", llr, llr) for number, llr in enumerate(llrs))
    return Report(Verdict.INCONCLUSIVE, 0.5, None, contributions=contributions, prior_log_odds=prior)


def test_last_line_is_the_score_of_the_report() -> None:
    report = picture_report()
    assert build_ledger(report).rows[-1].authenticity == pytest.approx(report.authenticity, abs=1e-9)


@given(nats, st.lists(nats, max_size=6))
def test_bars_join_and_stay_on_the_axis(prior: float, llrs: list[float]) -> None:
    ledger = build_ledger(report_of(prior, llrs))
    before = 0.5
    for row in ledger.rows:
        assert 0.0 <= row.bar_start <= row.bar_end <= 1.0
        after = row.bar_end if row.llr > 0 else row.bar_start
        assert (row.bar_start if row.llr > 0 else row.bar_end) == pytest.approx(before, abs=1e-9)
        before = after
    assert ledger.total == pytest.approx(prior + sum(llrs), abs=1e-9)


def test_weak_evidence_keeps_a_wide_axis() -> None:
    assert build_ledger(report_of(0.0, [0.2])).axis_nats == MIN_AXIS_NATS


@pytest.mark.parametrize("log_odds", [-1e6, -3.0, 0.0, 3.0, 1e6])
def test_authenticity_is_bounded_and_never_overflows(log_odds: float) -> None:
    assert 0.0 <= authenticity_of(log_odds) <= 1.0
    assert authenticity_of(log_odds) + authenticity_of(-log_odds) == pytest.approx(1.0)

"""Every reason to abstain is tried before any reason to accuse."""

import pytest

from detect.fusion import TEXTS, choose_verdict, combine, reason
from detect.types import Evidence, Finding, Operating, Stability, Status, Verdict

OPERATING = Operating(0.02, synthetic_threshold=2.5, authentic_threshold=-1.5, calibration_id="test")


def pixels(llr: float, finding: Finding = Finding.SYNTHETIC) -> Evidence:
    return Evidence("image.pixels", Status.SCORED, llr=llr, finding=finding)


def c2pa(llr: float, **more) -> Evidence:
    return Evidence("provenance.c2pa", Status.SCORED, llr=llr, **more)


def judge(*evidence: Evidence, stability: Stability | None = None):
    return choose_verdict(evidence, combine(evidence), OPERATING, stability=stability)


@pytest.mark.parametrize(
    ("llr", "verdict"),
    [
        (2.5, Verdict.LIKELY_SYNTHETIC),
        (2.49, Verdict.INCONCLUSIVE),
        (0.0, Verdict.INCONCLUSIVE),
        (-1.49, Verdict.INCONCLUSIVE),
        (-1.5, Verdict.LIKELY_AUTHENTIC),
    ],
)
def test_thresholds_decide(llr, verdict):
    assert judge(pixels(llr))[0] is verdict


def test_local_finding_is_called_manipulated():
    assert judge(pixels(4.0, Finding.MANIPULATED))[0] is Verdict.LIKELY_MANIPULATED


def test_nothing_scored_is_not_applicable_with_a_reason():
    verdict, reasons = judge(Evidence("image.pixels", Status.NOT_APPLICABLE, reasons=(reason("picture_too_small"),)))
    assert verdict is Verdict.NOT_APPLICABLE
    assert [item.code for item in reasons] == ["picture_too_small"]


def test_an_answer_that_flips_under_delivery_is_not_given():
    verdict, reasons = judge(pixels(4.0), stability=Stability(False, {"jpeg_60": 0.9}))
    assert verdict is Verdict.INCONCLUSIVE
    assert reasons[0].code == "unstable_under_delivery"


def test_signed_capture_against_generated_pixels_is_a_conflict_not_an_average():
    verdict, reasons = judge(pixels(4.0), c2pa(-3.0, p_synthetic_floor=0.02))
    assert verdict is Verdict.INCONCLUSIVE
    assert reasons[0].code == "conflict_capture_against_pixels"


def test_trusted_statement_of_generation_overrides_pixels_and_stability():
    verdict, _ = judge(pixels(-4.0), c2pa(4.6, p_synthetic_floor=0.99), stability=Stability(False, {"jpeg_60": 0.1}))
    assert verdict is Verdict.LIKELY_SYNTHETIC


def test_trusted_statement_of_editing_is_manipulated():
    edited = c2pa(0.4, p_synthetic_floor=0.6, finding=Finding.MANIPULATED)
    assert judge(pixels(-1.0), edited)[0] is Verdict.LIKELY_MANIPULATED


def test_every_reason_code_has_a_sentence():
    assert all(text.endswith(".") and text[0].isupper() for text in TEXTS.values())
    with pytest.raises(KeyError):
        reason("no_such_code")

"""From a posterior to a verdict, with every reason to abstain before any reason to accuse."""

from __future__ import annotations

from collections.abc import Sequence

from detect.fusion.combine import Posterior
from detect.fusion.explain import reason
from detect.types import Evidence, Finding, Operating, Reason, Stability, Status, Verdict

# Evidence that states an origin instead of guessing one; its overrides hold whatever the classifiers' thresholds are.
_STATED = ("provenance.", "watermark.", "known.")
# A classifier this far on the other side of a signed capture is named as a conflict (provenance.md, section 8).
CONFLICT_LLR = 2.2  # P > 0.9


def choose_verdict(
    evidence: Sequence[Evidence], posterior: Posterior | None, operating: Operating, *, stability: Stability | None
) -> tuple[Verdict, tuple[Reason, ...]]:
    """Return the verdict and its reasons, most important first.

    Accuses only at or above `operating.synthetic_threshold`, acquits only at or below `authentic_threshold`; stated
    origins that raised the score to a floor of 0.9 or more accuse whatever the budget, since the budget is about
    classifiers.
    """
    if posterior is None:
        return Verdict.NOT_APPLICABLE, _reasons_of(evidence) or (reason("nothing_scored"),)
    reasons = list(_reasons_of(evidence))
    stated = [item for item in evidence if item.source.startswith(_STATED) and item.status is Status.SCORED]
    if conflict := _conflict(evidence, stated):
        return Verdict.INCONCLUSIVE, (conflict, *reasons)
    overrides = [item for item in stated if item.llr >= 0 and (item.p_synthetic_floor or 0.0) >= 0.5]
    if overrides:
        strongest = max(overrides, key=lambda item: (item.p_synthetic_floor or 0.0, item.llr))
        return _accusation(strongest), tuple(reasons)
    if stability is not None and not stability.is_stable:
        return Verdict.INCONCLUSIVE, (reason("unstable_under_delivery"), *reasons)
    if posterior.log_odds >= operating.synthetic_threshold:
        leading = max(posterior_lines(evidence, posterior), key=lambda pair: pair[1])[0]
        return _accusation(leading), tuple(reasons)
    if posterior.log_odds <= operating.authentic_threshold:
        return Verdict.LIKELY_AUTHENTIC, tuple(reasons)
    return Verdict.INCONCLUSIVE, (reason("between_thresholds"), *reasons)


def posterior_lines(evidence: Sequence[Evidence], posterior: Posterior) -> list[tuple[Evidence, float]]:
    """Pair each scored Evidence with what it added."""
    scored = [item for item in evidence if item.status is Status.SCORED]
    return [(item, line.llr) for item, line in zip(scored, posterior.contributions, strict=True)]


def _accusation(leading: Evidence) -> Verdict:
    manipulated = leading.finding is Finding.MANIPULATED
    return Verdict.LIKELY_MANIPULATED if manipulated else Verdict.LIKELY_SYNTHETIC


def _conflict(evidence: Sequence[Evidence], stated: Sequence[Evidence]) -> Reason | None:
    """Name a signed capture that the pixels contradict, or stated origins that contradict each other."""
    pixels = [item for item in evidence if item not in stated and item.status is Status.SCORED]
    captures = [item for item in stated if item.llr < -1]
    if captures and any(item.llr > CONFLICT_LLR for item in pixels):
        return reason("conflict_capture_against_pixels")
    if captures and any(item.llr > 1 for item in stated):
        return reason("conflict_between_statements")
    return None


def _reasons_of(evidence: Sequence[Evidence]) -> tuple[Reason, ...]:
    """Return the evidence's own reasons, strongest evidence first, each code once."""
    seen: dict[str, Reason] = {}
    for item in sorted(evidence, key=lambda item: -abs(item.llr)):
        for each in item.reasons:
            seen.setdefault(each.code, each)
    return tuple(seen.values())

"""Whether a decided answer survives re-shipping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from detect.analyzer.prepare import Prepared
from detect.evidence.image import SOURCE, ImageExaminer
from detect.fusion import Posterior, combine
from detect.types import Operating, Stability, Status


def check_stability(
    file: Prepared, posterior: Posterior, operating: Operating, examiner: ImageExaminer
) -> Stability | None:
    """Score re-shipped copies of a picture; None when its pixels were not scored, or when the answer is undecided.

    An undecided answer has nothing to lose, and most answers are: it would double the cost of every picture.
    """
    pixels = next((item for item in file.evidence if item.source == SOURCE), None)
    if file.image is None or pixels is None or pixels.status is not Status.SCORED:
        return None
    if operating.authentic_threshold < posterior.log_odds < operating.synthetic_threshold:
        return None
    from detect.evidence.reshipping import reshipped_llrs

    scores: dict[str, float] = {}
    totals: list[float] = []
    for name, llr in reshipped_llrs(examiner, file.image.pixels_rgb).items():
        swapped = [replace(pixels, llr=llr) if item is pixels else item for item in file.evidence]
        reshipped = combine(swapped, prior_log_odds=posterior.prior_log_odds)
        assert reshipped is not None
        totals.append(reshipped.log_odds)
        scores[name] = reshipped.authenticity
    return Stability(is_stable(posterior.log_odds, totals, operating), scores)


def is_stable(base: float, reshipped: Sequence[float], operating: Operating) -> bool:
    """Return whether a decided answer keeps its side of even odds under every re-shipping; undecided ones always do."""
    if base >= operating.synthetic_threshold:
        return all(total > 0 for total in reshipped)
    if base <= operating.authentic_threshold:
        return all(total < 0 for total in reshipped)
    return True

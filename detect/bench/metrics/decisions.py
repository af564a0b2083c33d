"""What verdicts do: false accusations, recall, abstention, and the risk that remains at a coverage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detect.bench.metrics.ranking import Bools, Floats


@dataclass(frozen=True)
class Decisions:
    """Shares in [0, 1] at a detector's own verdicts.

    Attributes:
        false_accusation_rate: Reals called synthetic or manipulated, of all reals (abstentions count as not accused).
        recall: Fakes called synthetic or manipulated, of all fakes.
        balanced_accuracy: Mean of recall and 1 - false_accusation_rate.
        false_acquittal_rate: Fakes called authentic, of all fakes.
        coverage: Files with a decision, of all files.
        decided_accuracy: Balanced accuracy over decided files only; NaN when a label has none.
    """

    false_accusation_rate: float
    recall: float
    balanced_accuracy: float
    false_acquittal_rate: float
    coverage: float
    decided_accuracy: float


def decisions(is_fake: Bools, accused: Bools, acquitted: Bools, weights: Floats | None = None) -> Decisions:
    """Return the shares; a file that is neither accused nor acquitted is an abstention."""
    weights = np.ones(len(is_fake)) if weights is None else weights
    decided = accused | acquitted
    false_accusations = _share(accused, ~is_fake, weights)
    recall = _share(accused, is_fake, weights)
    return Decisions(
        false_accusation_rate=false_accusations,
        recall=recall,
        balanced_accuracy=(recall + 1.0 - false_accusations) / 2,
        false_acquittal_rate=_share(acquitted, is_fake, weights),
        coverage=_share(decided, np.ones_like(is_fake), weights),
        decided_accuracy=(_share(accused, is_fake & decided, weights) + _share(acquitted, ~is_fake & decided, weights))
        / 2,
    )


def _share(what: Bools, among: Bools, weights: Floats) -> float:
    total = float(weights[among].sum())
    return float(weights[what & among].sum()) / total if total > 0 else float("nan")


@dataclass(frozen=True)
class RiskCoverage:
    """Error among the answered files when only the surest share is answered; arrays of shape (files,)."""

    coverage: Floats
    risk: Floats

    @property
    def area(self) -> float:
        """AURC (Geifman and El-Yaniv 2017): mean risk over coverages; smaller is better."""
        return float(self.risk.mean())


def risk_coverage(is_fake: Bools, llr: Floats) -> RiskCoverage:
    """Return risk against coverage when files are answered in order of |llr|, by the sign of the llr."""
    order = np.argsort(-np.abs(llr), kind="stable")
    wrong = ((llr >= 0) != is_fake)[order]
    answered = np.arange(1, len(llr) + 1)
    return RiskCoverage(coverage=answered / len(llr), risk=np.cumsum(wrong) / answered)

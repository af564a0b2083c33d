"""How well scores order fakes above reals: AUROC, average precision, EER, TPR at a fixed FPR."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Roc:
    """Operating points of all thresholds, from accusing nothing to accusing everything.

    At `thresholds[i]`, items with score >= threshold are called synthetic. Shape (points,), false-positive and
    true-positive rates rising; the first point is (0, 0) at +infinity. `n_fake` and `n_real` are summed weights.
    """

    thresholds: Floats
    fpr: Floats
    tpr: Floats
    n_fake: float
    n_real: float

    @property
    def auroc(self) -> float:
        """Area by trapezia, ties at half (Fawcett 2006, section 7)."""
        return float(np.sum(np.diff(self.fpr) * (self.tpr[1:] + self.tpr[:-1]) / 2))

    @property
    def average_precision(self) -> float:
        """Sum over thresholds of recall step x precision, as scikit-learn defines it; fakes are the positives."""
        hits, alarms = self.tpr[1:] * self.n_fake, self.fpr[1:] * self.n_real
        precision = hits / np.maximum(hits + alarms, 1e-300)
        return float(np.sum(np.diff(self.tpr) * precision))

    @property
    def eer(self) -> float:
        """Rate where misses equal false alarms, interpolated linearly between neighbouring points."""
        gap = (1.0 - self.tpr) - self.fpr  # falls from 1 to -1
        after = int(np.argmax(gap <= 0))
        before = max(after - 1, 0)
        drop = gap[before] - gap[after]
        share = gap[before] / drop if drop > 0 else 0.0
        return float(self.fpr[before] + share * (self.fpr[after] - self.fpr[before]))

    def tpr_at(self, fpr: float) -> float:
        """Return the largest true-positive rate whose false-positive rate is at most `fpr`; never interpolated.

        With fewer than 1/fpr reals this is the rate at zero false alarms: honest, but noisy.
        """
        return float(self.tpr[self._last_within(fpr)])

    def threshold_at(self, fpr: float) -> float:
        """Return the threshold of `tpr_at(fpr)`; +infinity when every threshold accuses more reals than that."""
        return float(self.thresholds[self._last_within(fpr)])

    def min_dcf(self, *, prior_fake: float = 0.05, cost_miss: float = 10.0, cost_alarm: float = 1.0) -> float:
        """Return the least normalised detection cost over all thresholds.

        Defaults are those of ASVspoof 5 (prior of spoof 0.05; accepting a spoof costs 10, rejecting bona fide costs
        1), normalised by the better of the two trivial systems.
        """
        expected = cost_miss * prior_fake * (1.0 - self.tpr) + cost_alarm * (1.0 - prior_fake) * self.fpr
        return float(expected.min() / min(cost_miss * prior_fake, cost_alarm * (1.0 - prior_fake)))

    def _last_within(self, fpr: float) -> int:
        return int(np.flatnonzero(self.fpr <= fpr + 1e-12)[-1])


class Ranked:
    """Items sorted once, so that a thousand bootstrap replicates only sum weights."""

    def __init__(self, is_fake: Bools, scores: Floats) -> None:
        self._order = np.argsort(-scores, kind="stable")
        ordered = scores[self._order]
        self._fake = is_fake[self._order]
        self._starts = np.concatenate(([0], np.flatnonzero(np.diff(ordered)) + 1)).astype(int)  # of equal scores
        self.scores: Floats = ordered[self._starts] if len(ordered) else ordered
        self.items = len(scores)

    def weigh(self, weights: Floats | None = None) -> tuple[Floats, Floats]:
        """Return the weight of fakes and of reals at each distinct score, highest score first.

        Raises:
            ValueError: One of the labels is missing, or has no weight.
        """
        ordered = np.ones(self.items) if weights is None else weights[self._order]
        fakes = np.where(self._fake, ordered, 0.0)
        if not self.items or fakes.sum() <= 0 or ordered.sum() - fakes.sum() <= 0:
            raise ValueError("ranking metrics need files of both labels")
        return np.add.reduceat(fakes, self._starts), np.add.reduceat(ordered - fakes, self._starts)

    def roc(self, weights: Floats | None = None) -> Roc:
        """Return the ROC curve of the items under these weights."""
        at_fake, at_real = self.weigh(weights)
        fakes, reals = np.cumsum(at_fake), np.cumsum(at_real)
        return Roc(
            thresholds=np.concatenate(([np.inf], self.scores)),
            fpr=np.concatenate(([0.0], reals / reals[-1])),
            tpr=np.concatenate(([0.0], fakes / fakes[-1])),
            n_fake=float(fakes[-1]),
            n_real=float(reals[-1]),
        )


def roc(is_fake: Bools, scores: Floats, weights: Floats | None = None) -> Roc:
    """Return the ROC curve.

    Raises:
        ValueError: One of the labels is missing, or has no weight.
    """
    return Ranked(is_fake, scores).roc(weights)


def auroc(is_fake: Bools, scores: Floats, weights: Floats | None = None) -> float:
    """Return the area under the ROC curve: P(a fake scores above a real), ties at half."""
    return roc(is_fake, scores, weights).auroc

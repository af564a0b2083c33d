"""What the fit is made of and how it is chosen: faces measured, people, programs and sources left out in turn.

Every pair is scored by a fit that saw none of its people or programs, every single face by one that saw nothing of its
source. The scores of clips and single faces calibrate, so all people count for the thresholds and none is lost to the
fit.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detect.training.face.corpus import Bools, Corpus, FacePair, Kept
from detect.training.face.features import DELIVERIES, FaceMeter
from detect.training.face.fit import Discriminant, Pairs, Singles, fit_discriminant
from detect.training.face.recipe import FaceFit
from detect.training.image.calibration import HeldOutScore
from detect.training.scatter import Float64Array, Strings, weigh

log = logging.getLogger(__name__)

MADE = ("clean", "drawn")
"""Deliveries of swap-like copies, and of pairs of pictures where they train."""

SCORED = ("clean", "laundered", "jpeg_50")
"""Deliveries under which what was left out is scored."""


@dataclass(frozen=True)
class Table:
    """Statistics of a corpus by delivery, as one network gives them; rows are in the corpus's order."""

    filmed: Mapping[str, Pairs]
    others: Mapping[str, Pairs]
    made: Mapping[str, Pairs]
    singles: Mapping[str, Singles]


@dataclass(frozen=True)
class Trial:
    """The best of what was tried, its scores of what was left out, and the figures of all."""

    ridge: float
    made_share: float
    scores: list[HeldOutScore]
    figures: dict[str, Any]


def measure(corpus: Corpus, meter: FaceMeter) -> Table:
    """Return the statistics of all faces, of the swap-like copies too."""
    sources = np.array([face.origin for face in corpus.singles])
    copied = np.array([face.origin for face in corpus.copied])

    def pairs(chosen: Sequence[FacePair], names: Strings, delivery: str) -> Pairs:
        reals = meter.measure([pair.real for pair in chosen], delivery)
        return Pairs(reals, meter.measure([pair.fake for pair in chosen], delivery), names)

    def made(delivery: str) -> Pairs:
        reals = meter.measure(corpus.copied, delivery)
        return Pairs(reals, meter.measure(corpus.copied, delivery, is_made=True), copied)

    clips = np.array([pair.real.clip for pair in corpus.filmed])
    programs = np.array([pair.real.origin for pair in corpus.others])
    return Table(
        {name: pairs(corpus.filmed, clips, name) for name in DELIVERIES},
        {name: pairs(corpus.others, programs, name) for name in DELIVERIES},
        {name: made(name) for name in MADE},
        {name: Singles(meter.measure(corpus.singles, name), sources) for name in DELIVERIES},
    )


def choose(table: Table, corpus: Corpus, plan: FaceFit) -> Trial:
    """Try every ridge and weight of the made pairs and return the best by the mean of its areas."""
    tried: list[tuple[float, Trial]] = []
    for ridge in plan.ridges:
        for made_share in plan.made_shares if corpus.copied or corpus.others else (0.0,):
            areas, scores = leave_out(table, corpus, ridge, made_share)
            log.info("ridge %g, made %g: %s", ridge, made_share, areas)
            figures = {"ridge": ridge, "made_share": made_share, **areas}
            tried.append((float(np.mean(list(areas.values()))), Trial(ridge, made_share, scores, figures)))
    best = max(tried, key=lambda each: each[0])[1]
    return Trial(
        best.ridge, best.made_share, best.scores, {"chosen": best.figures, "tried": [each.figures for _, each in tried]}
    )


def leave_out(
    table: Table, corpus: Corpus, ridge: float, made_share: float
) -> tuple[dict[str, float], list[HeldOutScore]]:
    """Return areas under the curve of what was left out, by delivery, and the scores that calibrate.

    Pairs of pictures do not calibrate: figures of papers are chosen, enlarged and compressed as no file of a user is.
    """
    filmed = {name: np.zeros((len(corpus.filmed), 2)) for name in SCORED}
    others = {name: np.zeros((len(corpus.others), 2)) for name in SCORED}
    scores: list[HeldOutScore] = []
    for fold in range(corpus.folds):
        kept = corpus.keep(fold)
        fitted = fit(table, kept, ridge, made_share)
        for name in SCORED:
            _score(filmed[name], table.filmed[name], ~kept.filmed, fitted)
            _score(others[name], table.others[name], corpus.left_programs(fold), fitted)
            singles = table.singles[name].take(~kept.singles)
            scores += [
                HeldOutScore(False, str(source), name, float(logit))
                for source, logit in zip(singles.sources, fitted.score(singles.features), strict=True)
            ]
    scores += [
        HeldOutScore(bool(half), f"pairs/{pair.real.person}", name, float(filmed[name][row, half]))
        for name in SCORED
        for row, pair in enumerate(corpus.filmed)
        for half in (0, 1)
    ]
    areas = {name: round(area(filmed[name], weigh(table.filmed[name].clips, power=1.0)), 4) for name in SCORED}
    if corpus.others:
        weights = weigh(table.others["clean"].clips, power=0.5)
        areas["other_programs"] = round(area(others["clean"], weights), 4)
    return areas, scores


def area(logits: Float64Array, weights: Float64Array) -> float:
    """Return the area under the curve of unswapped and swapped halves, logits (pairs, 2) and weights (pairs,)."""
    from sklearn.metrics import roc_auc_score

    truth = np.repeat([0, 1], len(logits))
    return float(roc_auc_score(truth, logits.T.ravel(), sample_weight=np.tile(weights, 2)))


def fit(table: Table, kept: Kept, ridge: float, made_share: float) -> Discriminant:
    """Return the fit on what is kept: clips give what a swap changes, made pairs and other programs help."""
    made = [table.made[name].take(kept.copied) for name in MADE]
    made += [table.others[name].take(kept.others) for name in MADE]
    singles = [table.singles[name].take(kept.singles) for name in DELIVERIES]
    return fit_discriminant(
        _join([table.filmed[name].take(kept.filmed) for name in DELIVERIES]),
        Singles(
            np.concatenate([each.features for each in singles]), np.concatenate([each.sources for each in singles])
        ),
        made=_join(made) if made_share else None,
        ridge=ridge,
        made_share=made_share,
    )


def _score(logits: Float64Array, pairs: Pairs, chosen: Bools, fitted: Discriminant) -> None:
    """Write the logits of the chosen pairs into (pairs, 2)."""
    logits[chosen, 0] = fitted.score(pairs.real[chosen])
    logits[chosen, 1] = fitted.score(pairs.fake[chosen])


def _join(parts: Sequence[Pairs]) -> Pairs:
    return Pairs(
        np.concatenate([part.real for part in parts]),
        np.concatenate([part.fake for part in parts]),
        np.concatenate([part.clips for part in parts]),
    )

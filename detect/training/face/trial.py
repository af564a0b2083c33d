"""What the fit is made of and how it is chosen: faces measured, people and sources left out in turn.

Every pair is scored by a fit that saw none of its people, every single face by one that saw nothing of its source. The
same scores calibrate, so all people count for the thresholds and none is lost to the fit.
"""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from detect.training.face.clips import StoredFace
from detect.training.face.features import DELIVERIES, FaceMeter
from detect.training.face.fit import (
    Discriminant,
    Pairs,
    Singles,
    fit_discriminant,
    linked_groups,
)
from detect.training.face.recipe import FaceFit, FaceRecipe
from detect.training.image.calibration import HeldOutScore
from detect.training.scatter import Float64Array, Strings, weigh

log = logging.getLogger(__name__)

MADE = ("clean", "drawn")
"""Deliveries of swap-like copies."""

CALIBRATED = ("clean", "laundered", "jpeg_50")
"""Deliveries under which what was left out is scored."""


@dataclass(frozen=True)
class Table:
    """Measured faces by delivery; rows are the same faces in every delivery. `people` names the person of each pair."""

    pairs: Mapping[str, Pairs]
    made: Mapping[str, Pairs] | None
    singles: Mapping[str, Singles]
    people: Strings
    files: Sequence[str]


@dataclass(frozen=True)
class Trial:
    """The best of what was tried, its scores of what was left out, and the figures of all."""

    ridge: float
    made_share: float
    scores: list[HeldOutScore]
    figures: dict[str, Any]


def measure(faces: Sequence[StoredFace], meter: FaceMeter, recipe: FaceRecipe) -> Table:
    """Return the statistics of pairs, of unswapped single faces and of the swap-like copies of some of those."""
    halves: dict[str, dict[str, StoredFace]] = defaultdict(dict)
    by_source: dict[str, list[StoredFace]] = defaultdict(list)
    for face in sorted(faces, key=lambda face: hashlib.sha256(face.file.rsplit("/", 1)[-1].encode()).hexdigest()):
        if face.pair:
            halves[face.pair][face.label] = face
        elif face.label == "real":
            by_source[face.origin].append(face)
    both = [halves[name] for name in sorted(halves) if len(halves[name]) == 2]
    singles = [face for name in sorted(by_source) for face in by_source[name][: recipe.data.singles_per_origin]]
    copied = [face for name in sorted(by_source) for face in by_source[name][: recipe.data.made_per_origin]]
    group = linked_groups([*recipe.data.linked, *((pair["real"].person,) * 2 for pair in both)])
    people = np.array([pair["real"].person for pair in both])
    clips = np.array([pair["real"].clip for pair in both])
    groups = np.array([group[name] for name in people])
    sources, origins = np.array([face.origin for face in singles]), np.array([face.origin for face in copied])
    reals, fakes = [pair["real"] for pair in both], [pair["fake"] for pair in both]
    return Table(
        {name: Pairs(meter.measure(reals, name), meter.measure(fakes, name), clips, groups) for name in DELIVERIES},
        {
            name: Pairs(meter.measure(copied, name), meter.measure(copied, name, is_made=True), origins, origins)
            for name in MADE
        }
        if copied and recipe.data.made_per_origin
        else None,
        {name: Singles(meter.measure(singles, name), sources) for name in DELIVERIES},
        people,
        [face.file.rsplit("/", 1)[-1] for face in (*reals, *fakes, *singles)],
    )


def choose(table: Table, plan: FaceFit) -> Trial:
    """Try every ridge and weight of the made pairs and return the best by the mean area over the deliveries."""
    tried: list[tuple[float, Trial]] = []
    for ridge in plan.ridges:
        for made_share in plan.made_shares if table.made else (0.0,):
            scored = leave_out(table, ridge, made_share, folds=plan.folds)
            areas = {name: round(area(table, scored[0][name]), 4) for name in CALIBRATED}
            log.info("ridge %g, made %g: %s", ridge, made_share, areas)
            row = {"ridge": ridge, "made_share": made_share, **areas}
            tried.append((float(np.mean(list(areas.values()))), Trial(ridge, made_share, scored[1], row)))
    best = max(tried, key=lambda each: each[0])[1]
    return Trial(
        best.ridge, best.made_share, best.scores, {"chosen": best.figures, "tried": [each.figures for _, each in tried]}
    )


def fit_all(table: Table, ridge: float, made_share: float) -> Discriminant:
    """Return the fit on everything."""
    return _fit(table, ridge, made_share, lambda names: np.ones(len(names), bool))


def leave_out(
    table: Table, ridge: float, made_share: float, *, folds: int
) -> tuple[dict[str, Float64Array], list[HeldOutScore]]:
    """Return logits (pairs, 2) of real and swapped halves by delivery, and every score of what was left out."""
    fold_of = {
        name: number % folds
        for names in (table.pairs["clean"].groups, table.singles["clean"].sources)
        for number, name in enumerate(sorted(set(names.tolist())))
    }
    logits = {name: np.zeros((len(table.people), 2)) for name in CALIBRATED}
    scores: list[HeldOutScore] = []
    for fold in sorted(set(fold_of.values())):

        def is_kept(names: Strings, fold: int = fold) -> npt.NDArray[np.bool_]:
            return np.array([fold_of[name] != fold for name in names.tolist()], bool)

        fitted = _fit(table, ridge, made_share, is_kept)
        for name in CALIBRATED:
            left = ~is_kept(table.pairs[name].groups)
            logits[name][left, 0] = fitted.score(table.pairs[name].real[left])
            logits[name][left, 1] = fitted.score(table.pairs[name].fake[left])
            singles = table.singles[name].take(~is_kept(table.singles[name].sources))
            scores += [
                HeldOutScore(False, str(source), name, float(logit))
                for source, logit in zip(singles.sources, fitted.score(singles.features), strict=True)
            ]
    scores += [
        HeldOutScore(bool(half), f"pairs/{person}", name, float(logits[name][row, half]))
        for name in CALIBRATED
        for row, person in enumerate(table.people.tolist())
        for half in (0, 1)
    ]
    return logits, scores


def area(table: Table, logits: Float64Array) -> float:
    """Return the area under the curve of unswapped and swapped halves (pairs, 2), every clip weighed alike."""
    from sklearn.metrics import roc_auc_score

    weights = weigh(table.pairs["clean"].clips, power=1.0)
    truth = np.repeat([0, 1], len(logits))
    return float(roc_auc_score(truth, logits.T.ravel(), sample_weight=np.tile(weights, 2)))


def _fit(
    table: Table, ridge: float, made_share: float, is_kept: Callable[[Strings], npt.NDArray[np.bool_]]
) -> Discriminant:
    pairs = _join([table.pairs[name].take(is_kept(table.pairs[name].groups)) for name in DELIVERIES])
    singles = [table.singles[name].take(is_kept(table.singles[name].sources)) for name in DELIVERIES]
    made = None
    if table.made is not None and made_share:
        made = _join([table.made[name].take(is_kept(table.made[name].groups)) for name in MADE])
    return fit_discriminant(
        pairs,
        Singles(
            np.concatenate([each.features for each in singles]), np.concatenate([each.sources for each in singles])
        ),
        made=made,
        ridge=ridge,
        made_share=made_share,
    )


def _join(parts: Sequence[Pairs]) -> Pairs:
    return Pairs(
        np.concatenate([part.real for part in parts]),
        np.concatenate([part.fake for part in parts]),
        np.concatenate([part.clips for part in parts]),
        np.concatenate([part.groups for part in parts]),
    )

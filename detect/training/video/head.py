"""Fit the linear layer for frames of clips, on statistics of crops and of frames of delivered clips.

Why only a linear layer: the whole network, fine-tuned on the same crops, told clips of unseen makers apart no better,
and a hidden layer ranked clips of an unseen *kind* worse (faces that fill the frame, people, everything else left out
in turn: mean area 0.852 against 0.862), although it ranked unseen makers of known kinds better. Fisher's discriminant
weighs every generator and source by the root of its share; what differs between makers weighs less in its scatter than
what differs inside one (`within`), since a few hundred makers say too little of how makers differ.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from detect.evidence.pooling import pool_whole
from detect.training.scatter import Float64Array, weigh
from detect.training.video.calibrate import ClipScores
from detect.training.video.rows import ClipRows, Rows

log = logging.getLogger(__name__)

SPREAD = 2.0
"""Distance of the two labels' means in logits, so that they lie in the range that other models' logits have."""


@dataclass(frozen=True)
class HeadPlan:
    """Ridge in units of the scatter's mean diagonal, and the weight of the scatter inside makers beside that between
    them, which is 1."""

    ridge: float
    within: float


@dataclass(frozen=True)
class LinearHead:
    """Weights (F,) and offset; the middle between the labels has logit 0."""

    weights: Float64Array
    offset: float

    def score_clip(self, clip: ClipRows) -> ClipScores:
        """Return the logit of every frame as the product pools it: the mean of its patches."""
        return ClipScores(clip.clip, (clip.features @ self.weights + self.offset).mean(axis=1))

    def write(self, layer: nn.Linear) -> None:
        """Write it into a network's layer in place."""
        with torch.no_grad():
            layer.weight[0] = torch.from_numpy(self.weights)
            layer.bias[0] = self.offset


def fit_head(rows: Rows, plan: HeadPlan) -> LinearHead:
    """Return the discriminant of generated against real rows."""
    weights = maker_weights(rows)
    spread = rows.features.std(axis=0).astype(np.float64) + 1e-6
    means, scatter = [], np.zeros((len(spread), len(spread)))
    for label in (False, True):
        inside = rows.labels == label
        features = rows.features[inside] / spread
        between, within, mean = _scatter(features, rows.names[inside], weights[inside])
        means.append(mean)
        scatter += (between + plan.within * within) / 2
    scatter[np.diag_indices_from(scatter)] += plan.ridge * np.trace(scatter) / len(scatter)
    change = means[1] - means[0]
    direction = np.linalg.solve(scatter, change)
    direction *= SPREAD / float(change @ direction)
    return LinearHead(direction / spread, -float((means[0] + means[1]) @ direction) / 2)


def _scatter(
    features: Float64Array, names: npt.NDArray[np.str_], weights: Float64Array
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return the scatter of makers' means, (F, F), that of rows about their maker's mean, and the mean of all (F,)."""
    mean = weights @ features
    centred = features - mean
    _, maker = np.unique(names, return_inverse=True)
    shares = np.bincount(maker, weights)
    middles = np.zeros((len(shares), features.shape[1]))
    np.add.at(middles, maker, centred * weights[:, None])
    middles /= shares[:, None]
    inner = centred - middles[maker]
    return (middles * shares[:, None]).T @ middles, (inner * weights[:, None]).T @ inner, mean


def maker_weights(rows: Rows) -> Float64Array:
    """Return weights by the root of each maker's share, (N,), summing to 1 over each label."""
    weights = np.zeros(len(rows))
    for label in (False, True):
        of_label = rows.labels == label
        weights[of_label] = weigh(rows.names[of_label], power=0.5)
    return weights


def cross_fit(rows: Rows, clips: Sequence[ClipRows], plan: HeadPlan, fold_of: Mapping[str, int]) -> list[ClipScores]:
    """Return the scores of every clip by a head that saw nothing of the fold of its maker.

    Args:
        rows: What trains; makers that have no fold always do.
        clips: What is scored.
        plan: How each head is fitted.
        fold_of: The fold of each maker of a clip.
    """
    fold = np.array([fold_of.get(name.split(":", 1)[1], -1) for name in rows.names.tolist()])
    heads = {number: fit_head(rows.take(fold != number), plan) for number in sorted(set(fold_of.values()))}
    return [heads[fold_of[clip.clip.origin]].score_clip(clip) for clip in clips]


def deal(labels: Mapping[str, bool], folds: int, seed: int) -> dict[str, int]:
    """Return the fold of each maker: generators and sources are shuffled and dealt apart."""
    rng = np.random.default_rng(seed)
    return {
        name: number % folds
        for label in (False, True)
        for number, name in enumerate(rng.permutation(sorted(n for n, is_fake in labels.items() if is_fake == label)))
    }


def area(scored: Sequence[ClipScores]) -> float:
    """Return the area under the curve of clips' trimmed means, every maker weighed by the root of its share."""
    from sklearn.metrics import roc_auc_score

    labels: npt.NDArray[np.bool_] = np.array([item.clip.is_fake for item in scored])
    names = np.array([item.clip.origin for item in scored])
    weights = np.zeros(len(scored))
    for label in (False, True):
        weights[labels == label] = weigh(names[labels == label], power=0.5)
    return float(roc_auc_score(labels, [pool_whole(item.logits) for item in scored], sample_weight=weights))

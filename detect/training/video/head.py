"""Fit the head for frames of clips on rows of statistics: one hidden layer, several seeds side by side.

Why a hidden layer: a linear one told clips apart no better, or worse, the more kinds of sources and generators joined
the training; a small hidden layer gained. Why not the whole network: fine-tuned on the same crops it told clips of
unseen makers apart no better, and rows are measured once while crops would pass through it in every step.

Every maker weighs as the root of its rows, both labels alike; rows are mixed in pairs (mixup, arXiv 1710.09412) and
dropped out, since a few hundred makers are quickly learnt by heart.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from detect.networks.image.statistics_net import HiddenHead
from detect.training.scatter import Float64Array, weigh
from detect.training.video.calibrate import ClipScores
from detect.training.video.rows import ClipRows, Rows

log = logging.getLogger(__name__)

BATCH = 256
DROPPED_ROWS, DROPPED_UNITS = 0.2, 0.5
MIXED = 0.4
"""Shape of the beta distribution that rows are mixed by."""

RATE, DECAY = 2e-3, 1e-2


@dataclass(frozen=True)
class HeadPlan:
    """Units of one seed's hidden layer, seeds side by side, and steps of each."""

    hidden: int
    members: int
    steps: int


def fit_head(rows: Rows, plan: HeadPlan, *, seed: int) -> HiddenHead:
    """Return a head whose logit is the mean of `plan.members` heads of different seeds, joined into one layer."""
    weights = maker_weights(rows)
    middle = (weights @ rows.features) / weights.sum()
    spread = np.sqrt(weights @ (rows.features - middle) ** 2 / weights.sum()) + 1e-6
    joined = HiddenHead(rows.features.shape[1], plan.hidden * plan.members)
    joined.middle.copy_(torch.from_numpy(middle))
    joined.spread.copy_(torch.from_numpy(spread))
    nn.init.zeros_(joined.out.bias)
    with torch.inference_mode():
        inputs = joined.standardise(torch.from_numpy(rows.features)).clone()
    targets = torch.from_numpy(rows.labels.astype(np.float32))
    for number in range(plan.members):
        hidden, out = _fit_member(inputs, targets, weights / weights.sum(), plan, seed=seed + number)
        part = slice(number * plan.hidden, (number + 1) * plan.hidden)
        with torch.no_grad():
            joined.hidden.weight[part], joined.hidden.bias[part] = hidden.weight, hidden.bias
            joined.out.weight[0, part] = out.weight[0] / plan.members
            joined.out.bias.add_(out.bias / plan.members)
    return joined.eval()


def _fit_member(
    inputs: Tensor, targets: Tensor, shares: Float64Array, plan: HeadPlan, *, seed: int
) -> tuple[nn.Linear, nn.Linear]:
    """Return the two layers of one seed; `shares` (N,) is how often each row is drawn, in all 1."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    hidden, out = nn.Linear(inputs.shape[1], plan.hidden), nn.Linear(plan.hidden, 1)
    network = nn.Sequential(nn.Dropout(DROPPED_ROWS), hidden, nn.GELU(), nn.Dropout(DROPPED_UNITS), out)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=plan.steps)
    bounds = np.cumsum(shares)
    for _ in range(plan.steps):
        drawn = torch.from_numpy(np.searchsorted(bounds, rng.random(BATCH) * bounds[-1], side="right"))
        other = torch.from_numpy(rng.permutation(BATCH))
        share = torch.from_numpy(rng.beta(MIXED, MIXED, BATCH).astype(np.float32))
        rows, truth = inputs[drawn], targets[drawn]
        mixed = share[:, None] * rows + (1 - share[:, None]) * rows[other]
        wanted = share * truth + (1 - share) * truth[other]
        loss = nn.functional.binary_cross_entropy_with_logits(network(mixed)[:, 0], wanted)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return hidden, out


def maker_weights(rows: Rows) -> Float64Array:
    """Return weights by the root of each maker's share, (N,), summing to 1 over each label."""
    weights = np.zeros(len(rows))
    for label in (False, True):
        of_label = rows.labels == label
        weights[of_label] = weigh(rows.names[of_label], power=0.5)
    return weights


def score_clip(head: HiddenHead, clip: ClipRows) -> ClipScores:
    """Return the logit of every frame as the product pools it: the mean of its patches; see `FrameExaminer.score`."""
    frames, patches, features = clip.features.shape
    with torch.inference_mode():
        logits = head(torch.from_numpy(clip.features.reshape(frames * patches, features)))[:, 0].double().numpy()
    return ClipScores(clip.clip, logits.reshape(frames, patches).mean(axis=1))


def cross_fit(
    rows: Rows, clips: Sequence[ClipRows], plan: HeadPlan, *, folds: int, seed: int
) -> tuple[list[ClipScores], float]:
    """Return the scores of every clip by a head that saw nothing of its maker, and their area under the curve.

    Makers are dealt to `folds` folds; crops, pictures and clips of one maker share a fold.
    """
    makers = np.array([name.split(":", 1)[1] for name in rows.names])
    fold_of = deal({**dict(zip(makers.tolist(), rows.labels.tolist(), strict=True)), **_labels(clips)}, folds, seed)
    fold = np.array([fold_of[maker] for maker in makers])
    scored: dict[int, ClipScores] = {}
    for number in range(folds):
        head = fit_head(rows.take(fold != number), plan, seed=seed)
        for index, clip in enumerate(clips):
            if fold_of[clip.clip.origin] == number:
                scored[index] = score_clip(head, clip)
        log.info("fold %d of %d fitted", number + 1, folds)
    ordered = [scored[index] for index in range(len(clips))]
    return ordered, area(ordered)


def deal(labels: dict[str, bool], folds: int, seed: int) -> dict[str, int]:
    """Return the fold of each maker: generators and sources are shuffled and dealt apart."""
    rng = np.random.default_rng(seed)
    return {
        name: number % folds
        for label in (False, True)
        for number, name in enumerate(rng.permutation(sorted(n for n, is_fake in labels.items() if is_fake == label)))
    }


def _labels(clips: Sequence[ClipRows]) -> dict[str, bool]:
    return {clip.clip.origin: clip.clip.is_fake for clip in clips}


def area(scored: Sequence[ClipScores]) -> float:
    """Return the area under the curve of clips' trimmed means, every maker weighed by the root of its share."""
    from sklearn.metrics import roc_auc_score

    from detect.evidence.pooling import pool_whole

    labels: npt.NDArray[np.bool_] = np.array([item.clip.is_fake for item in scored])
    names = np.array([item.clip.origin for item in scored])
    weights = np.zeros(len(scored))
    for label in (False, True):
        weights[labels == label] = weigh(names[labels == label], power=0.5)
    return float(roc_auc_score(labels, [pool_whole(item.logits) for item in scored], sample_weight=weights))

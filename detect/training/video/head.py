"""Fit the linear layer for frames of clips, on statistics of crops that went through video encoders.

Why only a linear layer: fine-tuned on the same crops, the whole network told clips of unseen makers apart no better.
Why Fisher's discriminant: its scatter weighs every generator and source by the root of its share, and its ridge, chosen
by leaving out whole generators and sources, keeps directions out that only a few of them show.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from detect.networks.graphs import open_session
from detect.networks.image.statistics_net import StatisticsNet
from detect.training.scatter import Float64Array, covariance, weigh
from detect.training.statistics import export_statistics
from detect.training.video.batches import FrameStream
from detect.types import UInt8Array

log = logging.getLogger(__name__)

SPREAD = 2.0
"""Distance of the two labels' means in logits, so that they lie in the range that other models' logits have."""

FOLDS = 6


@dataclass(frozen=True)
class DrawnCrops:
    """Crops after their passage: (N, side, side, 3) uint8, labels (N,), and the generator or source of each."""

    pixels: UInt8Array
    labels: npt.NDArray[np.bool_]
    names: tuple[str, ...]


def draw_crops(stream: FrameStream, folder: Path, *, count: int) -> DrawnCrops:
    """Draw crops from the stream once and keep them in `folder`; they do not depend on any network."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels_file, facts_file = folder / "drawn.npy", folder / "drawn.json"
    if not facts_file.exists():
        side, batch = stream.plan.side, stream.plan.batch
        steps = -(-count // batch)
        kept = np.lib.format.open_memmap(pixels_file, mode="w+", dtype=np.uint8, shape=(steps * batch, side, side, 3))
        labels: list[bool] = []
        names: list[str] = []
        for step in range(steps):
            crops, truth, origins = stream.draw_named(step)
            kept[step * batch : (step + 1) * batch] = crops
            labels += [bool(value) for value in truth]
            names += origins
            if step % 50 == 0:
                log.info("crops: %d of %d", step * batch, steps * batch)
        kept.flush()
        facts_file.write_text(json.dumps({"labels": labels, "names": names}))
    facts = json.loads(facts_file.read_text())
    return DrawnCrops(np.load(pixels_file, mmap_mode="r"), np.array(facts["labels"], bool), tuple(facts["names"]))


def features_of(network: StatisticsNet, crops: UInt8Array) -> Float64Array:
    """Return the statistics of every crop, (N, F), through ONNX Runtime."""
    session: Any = open_session(export_statistics(network), threads=1)
    rows = [
        session.run(None, {"patches": crop[None].transpose(0, 3, 1, 2).astype(np.float32, order="C") / 127.5 - 1})[0][0]
        for crop in crops
    ]
    return np.stack(rows).astype(np.float64)


def fit_head(
    network: StatisticsNet, crops: DrawnCrops, *, ridges: Sequence[float], seed: int, kept: Path
) -> dict[str, Any]:
    """Write the head of the network in place and return what was chosen, JSON-ready; `kept` holds the features."""
    if not kept.exists():
        np.save(kept, features_of(network, crops.pixels).astype(np.float32))
    features = np.load(kept).astype(np.float64)
    tried = {ridge: cross_validate(features, crops, ridge, seed=seed) for ridge in ridges}
    best = max(tried, key=lambda ridge: tried[ridge])
    weights, offset = solve(features, crops, best, chosen=np.ones(len(features), bool))
    with torch.no_grad():
        network.head.weight[0] = torch.from_numpy(weights)
        network.head.bias[0] = offset
    return {
        "crops": len(features),
        "auc_left_out": {f"{ridge:g}": round(value, 4) for ridge, value in tried.items()},
        "chosen": best,
    }


def cross_validate(features: Float64Array, crops: DrawnCrops, ridge: float, *, seed: int) -> float:
    """Return the AUC on frames of clips whose generators and sources the fit did not see."""
    names = np.array(crops.names)
    rng = np.random.default_rng(seed)
    fold_of = {
        name: number % FOLDS
        for label in (False, True)
        for number, name in enumerate(rng.permutation(sorted(set(names[crops.labels == label].tolist()))).tolist())
    }
    fold = np.array([fold_of[name] for name in crops.names])
    of_clips = np.array([name.startswith("clip:") for name in crops.names])
    logits = np.zeros(len(names))
    for number in range(FOLDS):
        weights, offset = solve(features, crops, ridge, chosen=fold != number)
        logits[fold == number] = features[fold == number] @ weights + offset
    return auc(logits, crops, chosen=of_clips)


def solve(
    features: Float64Array, crops: DrawnCrops, ridge: float, *, chosen: npt.NDArray[np.bool_]
) -> tuple[Float64Array, float]:
    """Return (weights, offset) of the discriminant: the middle between the labels has logit 0."""
    weights = name_weights(crops, chosen)
    spread = features[chosen].std(axis=0) + 1e-6
    rows = features / spread
    means, scatter = [], np.zeros((rows.shape[1], rows.shape[1]))
    for label in (False, True):
        inside = chosen & (crops.labels == label)
        means.append(weights[inside] @ rows[inside])
        scatter += covariance(rows[inside], weights[inside]) / 2
    scatter[np.diag_indices_from(scatter)] += ridge * np.trace(scatter) / len(scatter)
    direction = np.linalg.solve(scatter, means[1] - means[0])
    direction *= SPREAD / float((means[1] - means[0]) @ direction)
    return direction / spread, -float((means[0] + means[1]) @ direction) / 2


def name_weights(crops: DrawnCrops, chosen: npt.NDArray[np.bool_]) -> Float64Array:
    """Return weights by the root of each name's share, summing to 1 over what is chosen of each label; else 0."""
    weights = np.zeros(len(crops.labels))
    names = np.array(crops.names)
    for label in (False, True):
        of_label = chosen & (crops.labels == label)
        weights[of_label] = weigh(names[of_label], power=0.5)
    return weights


def auc(logits: Float64Array, crops: DrawnCrops, *, chosen: npt.NDArray[np.bool_] | None = None) -> float:
    """Return the area under the curve with every name weighted by the root of its share."""
    from sklearn.metrics import roc_auc_score

    inside = np.ones(len(logits), bool) if chosen is None else chosen
    return float(roc_auc_score(crops.labels[inside], logits[inside], sample_weight=name_weights(crops, inside)[inside]))

"""Train the heads on features that were computed once: one head a fold, so that every clip is judged by one that never
heard its repository."""

from __future__ import annotations

import logging

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from detect.networks.audio.speech import LIMIT, make_head
from detect.training.speech.crops import Crop
from detect.training.speech.recipe import HeadPlan
from detect.types import Float32Array

logger = logging.getLogger(__name__)

IntArray = npt.NDArray[np.int64]


def standardisation(features: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Return mean and scale of each feature; constant ones get scale 1e-3, so that they end near 0 or clipped."""
    return features.mean(axis=0), np.maximum(features.std(axis=0), 1e-3)


def apply_standardisation(features: Float32Array, mean: Float32Array, scale: Float32Array) -> Float32Array:
    """Return features as the heads see them."""
    return np.clip((features - mean) / scale, -LIMIT, LIMIT).astype(np.float32)


def weigh(crops: list[Crop]) -> Float32Array:
    """Return the weight of each crop: both labels alike in every repository that has both, and overall.

    Why: a page with 300 generated clips and 5 real ones would teach its microphone as a trace of synthesis.
    """
    repos = {name: number for number, name in enumerate(sorted({crop.repo for crop in crops}))}
    cell = np.array([2 * repos[crop.repo] + crop.label for crop in crops])
    counts = np.bincount(cell, minlength=2 * len(repos)).reshape(-1, 2).astype(np.float64)
    both = counts.min(axis=1) > 0
    per_cell = 1.0 / np.sqrt(np.maximum(counts, 1))
    per_cell[both] = (np.sqrt(counts[both].min(axis=1, keepdims=True)) / np.maximum(counts[both], 1)) ** 0.5
    weights = per_cell.reshape(-1)[cell]
    labels = np.array([crop.label for crop in crops])
    for label in (0, 1):
        weights[labels == label] /= weights[labels == label].mean()
    return weights.astype(np.float32)


def train_head(features: Tensor, labels: Tensor, weights: Tensor, plan: HeadPlan, *, seed: int) -> nn.Sequential:
    """Train one head on standardised features (N, F).

    Args:
        features: Standardised, on the device that training runs on.
        labels: (N,) 0 = real, 1 = generated.
        weights: (N,) weight of each example, mean about 1.
        plan: Epochs, rates, sizes.
        seed: Of weights, order and dropout.
    """
    torch.manual_seed(seed)
    head = make_head(features.shape[1], plan.hidden).to(features.device)
    optimiser = torch.optim.AdamW(head.parameters(), plan.learning_rate, weight_decay=plan.weight_decay)
    steps = plan.epochs * (len(features) // plan.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.learning_rate, total_steps=steps, pct_start=0.1)
    targets = labels * (1 - 2 * plan.smoothing) + plan.smoothing
    head.train()
    for epoch in range(plan.epochs):
        order = torch.randperm(len(features), device=features.device)
        total = 0.0
        for start in range(0, len(order) - plan.batch + 1, plan.batch):
            chosen = order[start : start + plan.batch]
            loss = nn.functional.binary_cross_entropy_with_logits(
                head(features[chosen])[:, 0], targets[chosen], weights[chosen]
            )
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        logger.info("head %d: epoch %d of %d, loss %.4f", seed, epoch + 1, plan.epochs, total * plan.batch / len(order))
    return head.eval()

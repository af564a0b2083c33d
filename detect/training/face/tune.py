"""Fine-tune the stages of a region net, starting from its fitted linear layer.

The linear fit finds what the picture model's stages already show of a swap. A few hundred steps on pairs, on swap-like
copies and on unswapped faces of many sources make the stages show more of it. Batch norms keep their statistics, since
a step sees one face at a time, and the rate is small: a network that is trained for long learns the few people by
heart. The layer is fitted anew afterwards (`detect.training.face.fit`), which by gradient alone it would not be.
"""

from __future__ import annotations

import logging
import random
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from detect.networks.face.region_net import RegionNet
from detect.training.face.recipe import FaceTune
from detect.training.face.sampler import Sampler

log = logging.getLogger(__name__)

WEIGHTS: Mapping[str, float] = {"filmed": 1.0, "others": 0.7, "copied": 0.5, "singles": 1.0}
"""Of each kind in the loss: clips show what video swaps do, pictures of papers are chosen ones, copies stand in."""

CHECKPOINT_STEPS = 50
LARGEST_GRADIENT = 1.0


def tune(network: RegionNet, sampler: Sampler, plan: FaceTune, *, seed: int, checkpoint: Path) -> None:
    """Train the network in place; a stopped run goes on at its last checkpoint with the draws it would have had.

    Args:
        network: Its layer fitted.
        sampler: Of what may be seen.
        plan: Steps and rate.
        seed: Decides the draws.
        checkpoint: File that holds the state, written every 50 steps and at the end.
    """
    stages = [value for name, value in network.named_parameters() if not name.startswith("head.")]
    layer = list(network.head.parameters())
    rates = [plan.rate, plan.rate / 3]
    optimizer = torch.optim.AdamW(
        [{"params": group, "lr": rate} for group, rate in zip((stages, layer), rates, strict=True)], weight_decay=1e-2
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=plan.steps, pct_start=0.1)
    network.eval().to(memory_format=torch.channels_last)
    done, started = _resume(checkpoint, network, optimizer, schedule), time.monotonic()
    losses: dict[str, list[float]] = defaultdict(list)
    for step in range(done + 1, plan.steps + 1):
        examples = sampler.draw(random.Random(f"{seed}:{step}"))  # noqa: S311 - reproducible sampling, not secrets
        optimizer.zero_grad()
        for kind, real, fake in examples:
            loss = WEIGHTS[kind] * _loss(network, real, fake)
            (loss / len(examples)).backward()  # type: ignore[no-untyped-call]
            losses[kind].append(float(loss.detach()))
        nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
        optimizer.step()
        schedule.step()
        if step % CHECKPOINT_STEPS == 0 or step == plan.steps:
            means = {kind: round(sum(values) / len(values), 3) for kind, values in losses.items()}
            log.info(
                "%s: step %d of %d, %.0f s, %s", checkpoint.stem, step, plan.steps, time.monotonic() - started, means
            )
            losses.clear()
            _save(checkpoint, network, optimizer, schedule, step)


def _loss(network: RegionNet, real: Tensor, fake: Tensor | None) -> Tensor:
    """Return the loss of an unswapped face, or of a pair: each half by itself, and one beside the other."""
    if fake is None:
        return softplus(network(real)).mean()
    first, second = network(torch.cat((real, fake)).contiguous(memory_format=torch.channels_last))
    return (softplus(first) + softplus(-second) + softplus(first - second)) / 2


def _resume(checkpoint: Path, network: RegionNet, optimizer: Any, schedule: Any) -> int:
    """Load the state and return the steps done, 0 when there is none."""
    if not checkpoint.exists():
        return 0
    state = torch.load(checkpoint, weights_only=True)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    return int(state["step"])


def _save(checkpoint: Path, network: RegionNet, optimizer: Any, schedule: Any, step: int) -> None:
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    state = {
        "network": network.state_dict(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(),
        "step": step,
    }  # fmt: skip
    fresh = checkpoint.with_suffix(".new")
    torch.save(state, fresh)
    fresh.replace(checkpoint)

"""A patch judged by statistics of the first layers: mean and log deviation of every channel, one linear layer.

The last features of a network that was trained on pictures are about what its own training asked for; on frames of
compressed clips the stages before them, where texture still has its place, told unseen generators from unseen sources
better, and a linear layer on their statistics is fitted in minutes when the network below changes.
"""

from __future__ import annotations

import timm
import torch
from torch import Tensor, nn

FLOOR = 0.02
"""Added to a deviation before its logarithm, so that a flat patch does not outweigh all else."""

FIRST, LAST = 0, 5
"""Stages of the backbone that are looked at, counted from 0: strides 2 to 16."""


class StagesNet(nn.Module):
    """First stages of a timm backbone and one linear layer on statistics of them, which a subclass computes.

    Input (N, 3, H, W) in [-1, 1], H and W >= 64; output logits (N,). `forward_map` gives (N, 1, 1), so that the runners
    of patch nets run it too.

    Args:
        backbone: Name in timm.
        first: Stage from which on outputs are looked at, counted from 0.
        last: Last stage that is kept.
        per_channel: Statistics of each channel.
    """

    def __init__(self, backbone: str, *, first: int, last: int, per_channel: int) -> None:
        super().__init__()
        whole = timm.create_model(backbone, pretrained=False, num_classes=0, global_pool="")
        self.first = first
        self.conv_stem: nn.Module = whole.conv_stem  # type: ignore[assignment]
        self.bn1: nn.Module = whole.bn1  # type: ignore[assignment]
        self.blocks = nn.Sequential(*list(whole.blocks)[: last + 1])  # type: ignore[arg-type]
        self.head = nn.Linear(per_channel * sum(channels_of(stage) for stage in self.blocks[first:]), 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return one logit a patch, (N,)."""
        logits: Tensor = self.head(self.statistics(x))
        return logits.squeeze(1)

    def forward_map(self, x: Tensor) -> Tensor:
        """Return the logits as maps of one cell, (N, 1, 1)."""
        return self.forward(x)[:, None, None]

    def statistics(self, x: Tensor) -> Tensor:
        """Return the statistics of every channel of the stages that are looked at, (N, per_channel * channels)."""
        x = self.bn1(self.conv_stem(x))
        rows = []
        for number, stage in enumerate(self.blocks):
            x = stage(x)
            if number >= self.first:
                rows.append(self.describe(x))
        return torch.cat(rows, dim=1)

    def describe(self, x: Tensor) -> Tensor:
        """Return the statistics of one stage's output (N, C, h, w), (N, per_channel * C)."""
        raise NotImplementedError


class StatisticsNet(StagesNet):
    """Mean and log deviation of every channel of the first six stages over the whole patch."""

    def __init__(self, backbone: str = "tf_efficientnet_lite0") -> None:
        super().__init__(backbone, first=FIRST, last=LAST, per_channel=2)

    def describe(self, x: Tensor) -> Tensor:
        """Return mean (C) and log deviation (C), (N, 2 * C)."""
        cells = x.flatten(2)  # (N, C, h * w)
        mean = cells.mean(dim=2)
        deviation = ((cells * cells).mean(dim=2) - mean * mean).clamp(min=1e-8).sqrt()
        return torch.cat((mean, (deviation + FLOOR).log()), dim=1)


def channels_of(stage: nn.Module) -> int:
    """Return the channels that leave a stage: those of its last batch norm."""
    return [module.num_features for module in stage.modules() if isinstance(module, nn.BatchNorm2d)][-1]

"""A face judged by how its inside differs from its outline and its surroundings: statistics of shallow features.

What a swap leaves is local and fine: skin without texture, a sharpness and a noise of its own inside a mask. The deep
features of a network are about what is shown, and with few people in the training pairs they learn faces by heart;
those of its first stages see texture at the pixel period. So the mean and the log deviation of every channel are taken
over three regions of the crop, inside the face, along its outline and around it, and one linear layer weighs them: it
can compare the regions, which the mean over a whole crop hides.
"""

from __future__ import annotations

import torch
from torch import Tensor

from detect.networks.image.statistics_net import FLOOR, StagesNet

HALF_WIDTH, HALF_HEIGHT = 0.36, 0.45
"""Half axes of the ellipse that stands for the face, in units of the larger side of its box."""

INSIDE, OUTLINE, AROUND = (0.0, 0.95), (0.8, 1.25), (1.15, 9.0)
"""Least and largest radius of each region, in units of that ellipse."""

STAGES = 3
"""Stages of the backbone that are looked at, the second to the fourth (strides 4, 8, 16)."""


class RegionNet(StagesNet):
    """Mean and log deviation of every channel of the first stages by region of a face.

    Input (N, 3, S, S): a face upright or tilted in the middle of a square of `margin` times its larger side, at the
    picture's own resolution.
    """

    def __init__(self, backbone: str = "tf_efficientnet_lite0", margin: float = 1.25) -> None:
        super().__init__(backbone, first=1, last=STAGES, per_channel=6)
        self.margin = margin

    def describe(self, x: Tensor) -> Tensor:
        """Return the statistics of one stage by region, (N, 6 * C)."""
        return _by_region(x, self.margin)


def _by_region(x: Tensor, margin: float) -> Tensor:
    """Return mean (3 C) and log deviation (3 C) of (N, C, h, w) over the regions, (N, 6 C)."""
    cells = x.flatten(2)  # (N, C, h * w)
    masks = _regions(x, margin).flatten(1)  # (3, h * w), each sums to 1
    mean = torch.matmul(cells, masks.T)  # (N, C, 3)
    deviation = (torch.matmul(cells * cells, masks.T) - mean * mean).clamp(min=1e-8).sqrt()
    both = torch.cat((mean, (deviation + FLOOR).log()), dim=2)
    return both.transpose(1, 2).flatten(1)


def _regions(x: Tensor, margin: float) -> Tensor:
    """Return the weights of the three regions, (3, h, w), for the size of `x`; made of sums, so that a graph of any
    size can be exported."""
    ones = torch.ones_like(x[0, 0])
    across = ((ones.cumsum(1) - 0.5) / ones.sum(1, keepdim=True) - 0.5) * margin / HALF_WIDTH
    down = ((ones.cumsum(0) - 0.5) / ones.sum(0, keepdim=True) - 0.5) * margin / HALF_HEIGHT
    radius = (across * across + down * down).sqrt()
    masks = torch.stack([((radius >= low) & (radius < high)).to(x.dtype) for low, high in (INSIDE, OUTLINE, AROUND)])
    return masks / masks.sum(dim=(1, 2), keepdim=True).clamp(min=1)

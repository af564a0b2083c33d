"""A small residual net on the bare wave: no transform decides beforehand what it may look at.

In the manner of Res-TSSDNet (Hua, Teoh and Zhang 2021, "Towards End-to-End Synthetic Speech Detection", arXiv
2106.06341): short filters, residual blocks that each thin time out by four, pooling over all moments. Its first layer
steps by four samples, which halves the cost of training.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

WIDTHS = (32, 64, 96, 128, 128)
THINNING = 4


class _Block(nn.Module):
    """Three convolutions of width 3 beside a shortcut, then the strongest of every four moments."""

    def __init__(self, narrow: int, wide: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(narrow, wide, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm1d(wide)
        self.second = nn.Conv1d(wide, wide, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm1d(wide)
        self.third = nn.Conv1d(wide, wide, 3, padding=1, bias=False)
        self.norm3 = nn.BatchNorm1d(wide)
        self.shortcut = nn.Conv1d(narrow, wide, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(self.first(x)).relu()
        y = self.norm2(self.second(y)).relu()
        y = (self.norm3(self.third(y)) + self.shortcut(x)).relu()
        return nn.functional.max_pool1d(y, THINNING)


class RawNet(nn.Module):
    """Waves (B, samples) at 16 kHz to one logit each, (B,); 0.4 million weights."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv1d(1, WIDTHS[0], 16, stride=THINNING, padding=6, bias=False)
        self.norm = nn.BatchNorm1d(WIDTHS[0])
        self.blocks = nn.Sequential(*(_Block(narrow, wide) for narrow, wide in pairwise(WIDTHS)))
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(2 * WIDTHS[-1], 1)

    def forward(self, wave: Tensor) -> Tensor:
        """Return the logit; loudness is taken out first, since it tells how a file was mastered."""
        wave = wave / (wave.square().mean(1, keepdim=True).sqrt() + 1e-4)
        x = nn.functional.max_pool1d(self.norm(self.stem(wave[:, None])).relu(), THINNING)
        x = self.blocks(x)  # (B, C, samples / 4096)
        pooled = torch.cat([x.mean(2), x.amax(2)], dim=1)
        return cast(Tensor, self.out(self.drop(pooled))[:, 0])

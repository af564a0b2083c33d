"""The speech net: voice statistics and frozen Whisper layers of one window, judged by a few small heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from detect.networks.audio.activity import VoiceActivity
from detect.networks.audio.statistics import voice_statistics
from detect.networks.audio.whisper import WhisperEncoder, pool_layers

WINDOW_S = 4.0
"""Length of what the net hears at once; shorter speech is repeated to this length, in training as well."""

LIMIT = 5.0
"""Standardised features are clipped here: a statistic far outside the training data must not decide alone."""


class SpeechNet(nn.Module):
    """Gate, listener, statistics and heads in one module, so that one weights file holds all.

    Args:
        layers: Whisper blocks used.
        hidden: Width of each head.
        heads: Number of heads; each was trained without one fold of the repositories, and their mean is the answer.
        features: Number of features before the heads.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, *, layers: int = 2, hidden: int = 128, heads: int = 3, features: int = 4293) -> None:
        super().__init__()
        self.gate = VoiceActivity()
        self.listener = WhisperEncoder(layers=layers)
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.heads = nn.ModuleList(make_head(features, hidden) for _ in range(heads))

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> SpeechNet:
        """Build the net that a model's config.json describes."""
        return cls(**{key: int(options[key]) for key in ("layers", "hidden", "heads", "features")})

    def describe(self, wave: Tensor) -> Tensor:
        """Return raw features (B, features) of windows (B, samples) at 16 kHz."""
        return torch.cat([voice_statistics(wave), pool_layers(self.listener(wave))], dim=1)

    def standardise(self, features: Tensor) -> Tensor:
        """Return features on the scale of the training data, clipped."""
        return ((features - self.mean) / self.scale).clamp(-LIMIT, LIMIT)

    def forward(self, wave: Tensor) -> Tensor:
        """Return one logit a window, (B,), positive towards synthetic."""
        ready = self.standardise(self.describe(wave))
        return cast(Tensor, torch.cat([head(ready) for head in self.heads], dim=1).mean(1))


def make_head(features: int, hidden: int) -> nn.Sequential:
    """Return one head: dropout on features, one hidden layer, one logit."""
    return nn.Sequential(nn.Dropout(0.2), nn.Linear(features, hidden), nn.GELU(), nn.Dropout(0.5), nn.Linear(hidden, 1))

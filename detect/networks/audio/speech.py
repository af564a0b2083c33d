"""The speech net: small heads judge voice statistics and frozen Whisper layers of a window, and small convolutional
nets its spectrogram."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from detect.networks.audio.activity import VoiceActivity
from detect.networks.audio.spectral import SpectralNet, log_spectrogram
from detect.networks.audio.statistics import voice_statistics
from detect.networks.audio.whisper import WhisperEncoder, pool_layers

WINDOW_S = 4.0
"""Length of what the net hears at once; shorter speech is repeated to this length, in training as well."""

STATISTICS, WHISPER_WIDTH = 837, 384
"""How many numbers `voice_statistics` returns, and channels of Whisper tiny; `pool_layers` gives three a channel."""

LIMIT = 5.0
"""Standardised features are clipped here: a statistic far outside the training data must not decide alone."""


class SpeechNet(nn.Module):
    """Gate, listener, statistics, heads and spectrogram nets in one module, so that one weights file holds all.

    Args:
        layers: Whisper blocks used.
        hidden: Width of each head.
        heads: Number of heads; each was trained without one fold of the repositories, and their mean is the answer.
        features: Number of features before the heads; 0 = as many as these layers give.
        spectral: Number of spectrogram nets, trained in the same way; 0 = the heads decide alone.
    """

    mean: Tensor
    scale: Tensor
    fusion: Tensor

    def __init__(
        self, *, layers: int = 4, hidden: int = 128, heads: int = 3, features: int = 0, spectral: int = 3
    ) -> None:
        super().__init__()
        features = features or STATISTICS + 3 * WHISPER_WIDTH * (layers + 1)
        self.gate = VoiceActivity()
        self.listener = WhisperEncoder(layers=layers)
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.heads = nn.ModuleList(make_head(features, hidden) for _ in range(heads))
        self.spectral = nn.ModuleList(SpectralNet() for _ in range(spectral))
        if spectral:
            self.register_buffer("fusion", torch.tensor([0.5, 0.5, 0.0]))  # weights of heads, spectrogram nets; offset

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> SpeechNet:
        """Build the net that a model's config.json describes."""
        known = ("layers", "hidden", "heads", "features")
        return cls(**{key: int(options[key]) for key in known}, spectral=int(options.get("spectral", 0)))

    def describe(self, wave: Tensor) -> Tensor:
        """Return raw features (B, features) of windows (B, samples) at 16 kHz."""
        return torch.cat([voice_statistics(wave), pool_layers(self.listener(wave))], dim=1)

    def standardise(self, features: Tensor) -> Tensor:
        """Return features on the scale of the training data, clipped."""
        return ((features - self.mean) / self.scale).clamp(-LIMIT, LIMIT)

    def fuse(self, head: Tensor, spectral: Tensor) -> Tensor:
        """Return one logit of what the heads and what the spectrogram nets say."""
        return self.fusion[0] * head + self.fusion[1] * spectral + self.fusion[2]

    def forward(self, wave: Tensor) -> Tensor:
        """Return one logit a window, (B,), positive towards synthetic."""
        ready = self.standardise(self.describe(wave))
        heard = torch.cat([head(ready) for head in self.heads], dim=1).mean(1)
        if not self.spectral:
            return heard
        pictures = log_spectrogram(wave)
        seen = torch.stack([net(pictures) for net in self.spectral]).mean(0)
        return self.fuse(heard, seen)


def make_head(features: int, hidden: int) -> nn.Sequential:
    """Return one head: dropout on features, one hidden layer, one logit."""
    return nn.Sequential(nn.Dropout(0.2), nn.Linear(features, hidden), nn.GELU(), nn.Dropout(0.5), nn.Linear(hidden, 1))

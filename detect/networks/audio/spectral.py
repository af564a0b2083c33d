"""A small residual net on the spectrogram of a window: it sees fine structure that pooled statistics average away."""

from __future__ import annotations

import functools
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from detect.networks.audio.whisper import LogMel

N_FFT = 512
HOP = 256
WIDTHS = (32, 48, 64, 96, 128)
FLOOR = 10**-7.0
"""Power relative to the loudest cell below which nothing is seen: the noise floor of 16-bit chains."""


def log_spectrogram(wave: Tensor) -> Tensor:
    """Return two pictures of each wave: its log spectrogram, and the same without the mean of each frequency.

    The second is blind to microphones, equalisers and band limits, the first is not.

    Args:
        wave: (B, samples) at 16 kHz.

    Returns:
        (B, 2, 256, frames), each picture of mean 0 and deviation 1.
    """
    window = torch.hann_window(N_FFT, device=wave.device)
    spectrum = torch.stft(wave, N_FFT, HOP, window=window, return_complex=True)[:, 1:]
    power = spectrum.real.square() + spectrum.imag.square()
    return _two_pictures((power / (power.amax(dim=(1, 2), keepdim=True) + 1e-12) + FLOOR).log())


def log_mel(wave: Tensor) -> Tensor:
    """Return the same two pictures on 80 mel bands instead of 256 even ones, (B, 2, 80, samples // 160)."""
    return _two_pictures(_mel()(wave))


@functools.lru_cache(maxsize=1)
def _mel() -> LogMel:
    return LogMel()


def _two_pictures(level: Tensor) -> Tensor:
    """Return (B, 2, bands, frames) of levels (B, bands, frames): as they are, and without the mean of each band."""
    pictures = torch.stack([level, level - level.mean(2, keepdim=True)], dim=1)
    pictures = pictures - pictures.mean(dim=(2, 3), keepdim=True)
    return pictures / (pictures.std(dim=(2, 3), keepdim=True) + 1e-4)


class _Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut; halves both axes."""

    def __init__(self, narrow: int, wide: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(narrow, wide, 3, 2, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(wide)
        self.second = nn.Conv2d(wide, wide, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(wide)
        self.shortcut = nn.Conv2d(narrow, wide, 1, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(self.first(x)).relu()
        return cast(Tensor, (self.norm2(self.second(y)) + self.shortcut(x)).relu())


class SpectralNet(nn.Module):
    """Pictures (B, 2, 256, frames) of `log_spectrogram` to one logit each, (B,); 0.5 million weights."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, WIDTHS[0], 5, 2, 2, bias=False)
        self.norm = nn.BatchNorm2d(WIDTHS[0])
        self.blocks = nn.Sequential(*(_Block(narrow, wide) for narrow, wide in pairwise(WIDTHS)))
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(2 * WIDTHS[-1], 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the logit; the last maps are averaged over the picture, and over time at their loudest frequency."""
        x = self.blocks(self.norm(self.stem(pictures)).relu())  # (B, C, 8, frames / 32)
        pooled = torch.cat([x.mean(dim=(2, 3)), x.mean(3).amax(2)], dim=1)
        return cast(Tensor, self.out(self.drop(pooled))[:, 0])

"""The Whisper encoder in plain torch (Radford 2022), returning every layer: a frozen listener for a small head."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

SAMPLE_RATE_HZ = 16_000
N_FFT, HOP = 400, 160
BANDS = 80


def slaney_mel_bank(bands: int = BANDS, n_fft: int = N_FFT, rate_hz: int = SAMPLE_RATE_HZ) -> Tensor:
    """Return Slaney-style, area-normalised mel filters, shape (bands, n_fft // 2 + 1), as Whisper was trained with."""
    step, knee_hz, log_step = 200.0 / 3, 1000.0, math.log(6.4) / 27

    def to_mel(hertz: float) -> float:
        return hertz / step if hertz < knee_hz else knee_hz / step + math.log(hertz / knee_hz) / log_step

    mels = torch.linspace(0.0, to_mel(rate_hz / 2), bands + 2, dtype=torch.float64)
    over = mels - knee_hz / step
    edges = torch.where(over < 0, mels * step, knee_hz * torch.exp(log_step * over.clamp_min(0)))
    hertz = torch.linspace(0, rate_hz / 2, n_fft // 2 + 1, dtype=torch.float64)
    rise = (hertz[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - hertz[None]) / (edges[2:] - edges[1:-1])[:, None]
    bank = torch.minimum(rise, fall).clamp_min(0) * (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return bank.float()


class LogMel(nn.Module):
    """Waveform (B, samples) at 16 kHz to Whisper's log mel spectrogram (B, 80, samples // 160)."""

    window: Tensor
    bank: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)
        self.register_buffer("bank", slaney_mel_bank(), persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        """Return log10 power, floored 8 decades under the loudest cell of each item, scaled to about [-1, 1]."""
        spectrum = torch.stft(wave, N_FFT, HOP, window=self.window, return_complex=True)[..., :-1]
        power = spectrum.real.square() + spectrum.imag.square()
        decades = (self.bank @ power).clamp_min(1e-10).log10()
        decades = torch.maximum(decades, decades.amax(dim=(1, 2), keepdim=True) - 8.0)
        return (decades + 4.0) / 4.0


class _Block(nn.Module):
    """Pre-norm self-attention and MLP."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // 64
        self.norm_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, frames, width = x.shape
        qkv = self.qkv(self.norm_attention(x)).view(batch, frames, 3, self.heads, 64)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, heads, T, 64)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, frames, width))
        return cast(Tensor, x + self.down(nn.functional.gelu(self.up(self.norm_mlp(x)))))


class WhisperEncoder(nn.Module):
    """Whisper's encoder; `tiny` is width 384 with 4 layers.

    Args:
        width: Channels.
        layers: Blocks kept, from the bottom.
    """

    positions: Tensor

    def __init__(self, width: int = 384, layers: int = 4) -> None:
        super().__init__()
        self.mel = LogMel()
        self.conv1 = nn.Conv1d(BANDS, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.register_buffer("positions", torch.zeros(1500, width))
        self.blocks = nn.ModuleList(_Block(width) for _ in range(layers))

    def forward(self, wave: Tensor) -> list[Tensor]:
        """Return the output of stem and blocks for a wave (B, samples <= 30 s): each (B, T, width), 50 frames/s."""
        x = nn.functional.gelu(self.conv1(self.mel(wave)))
        x = nn.functional.gelu(self.conv2(x)).transpose(1, 2)  # (B, T, width)
        x = x + self.positions[: x.shape[1]]
        outputs = [x]
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        return outputs


def pool_layers(layers: list[Tensor]) -> Tensor:
    """Return mean, deviation and mean absolute step over time of every layer, shape (B, layers * 3 * width)."""
    parts = []
    for x in layers:
        parts += [x.mean(1), x.std(1), (x[:, 1:] - x[:, :-1]).abs().mean(1)]
    return torch.cat(parts, dim=1)

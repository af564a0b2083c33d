"""The grain of a spectrogram: statistics of a picture net's early layers on three log spectrograms, nothing trained.

Mean and spread of filter responses describe textures (Gatys 2015); vocoders leave theirs between the harmonics, where
neither words nor voice matter. The layers are those of EfficientNet-Lite0 as ImageNet left them.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

N_FFT = 512
HOP = 256
"""16 ms: 62.5 frames a second."""

WINDOWS = (512, 128, 320)
"""Analysis windows in samples (32, 8 and 20 ms): harmonics, glottal pulses, and what lies between."""

FLOOR = 7.5
"""Natural-log units of amplitude below the loudest cell that are kept (65 dB); deeper holes are a codec's or digital
silence, which give a corpus away."""

STAGES = 5
"""Stages of the backbone that are read; the last two see the whole picture and cost as much as all others."""

PIECE = slice(11_000, 11_000 + 40_960)
"""Samples of a four-second window that are looked at: 2.56 s in its middle."""


class LogSpectrograms(nn.Module):
    """Waveform (B, samples) at 16 kHz to (B, 3, 256, frames), each plane standardised per item."""

    def __init__(self) -> None:
        super().__init__()
        for index, length in enumerate(WINDOWS):
            self.register_buffer(f"window{index}", torch.hann_window(length), persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        """Return the planes; the scale of the input does not matter."""
        planes = []
        for index, length in enumerate(WINDOWS):
            window = cast(Tensor, getattr(self, f"window{index}"))
            spectrum = torch.stft(wave, N_FFT, HOP, length, window, center=True, return_complex=True)[:, 1:]
            power = spectrum.real.square() + spectrum.imag.square() + 1e-12
            level = 0.5 * power.log()
            level = torch.maximum(level, level.amax(dim=(1, 2), keepdim=True) - FLOOR)
            mean = level.mean(dim=(1, 2), keepdim=True)
            deviation = level.std(dim=(1, 2), keepdim=True)
            planes.append((level - mean) / (deviation + 1e-3))
        return torch.stack(planes, dim=1)  # (B, 3, 256, frames)


class Textures(nn.Module):
    """Waveform (B, samples) at 16 kHz to (B, 1216) statistics of filter responses."""

    def __init__(self) -> None:
        super().__init__()
        import timm

        self.planes = LogSpectrograms()
        full: Any = timm.create_model("tf_efficientnet_lite0", num_classes=0)
        self.stem = nn.Sequential(full.conv_stem, full.bn1)
        self.stages = nn.ModuleList(full.blocks[:STAGES])

    def forward(self, wave: Tensor) -> Tensor:
        """Return per channel of every stage: mean, spread, and spread of the band's and of the moment's mean."""
        x = self.planes(wave[:, PIECE]).contiguous(memory_format=torch.channels_last)
        x = self.stem(x)
        parts = _spread(x)
        for stage in self.stages:
            x = stage(x)
            parts += _spread(x)
        return torch.cat(parts, dim=1)


def _spread(x: Tensor) -> list[Tensor]:
    """Return four (B, C) statistics of maps (B, C, bands, frames)."""
    return [x.mean((2, 3)), x.std((2, 3)), x.mean(3).std(2), x.mean(2).std(2)]

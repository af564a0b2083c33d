"""Hand-made statistics of a voice that vocoders disturb: cheap, and blind to what was said.

Per 64 linear bands: level over time, its spread, skewness and kurtosis, its motion and its slow modulation; cepstra of
the linear spectrum; and how much the phase of each band departs from that of a steady tone.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

N_FFT = 512
HOP = 128
BANDS = 64
CEPSTRA = 30


def _moments(x: Tensor) -> list[Tensor]:
    """Return mean, deviation, skewness and kurtosis over the last axis."""
    mean = x.mean(-1, keepdim=True)
    centred = x - mean
    deviation = centred.square().mean(-1, keepdim=True).sqrt() + 1e-4
    unit = centred / deviation
    return [mean[..., 0], deviation[..., 0], unit.pow(3).mean(-1), unit.pow(4).mean(-1)]


def voice_statistics(wave: Tensor) -> Tensor:
    """Return the statistics of each wave.

    Args:
        wave: (B, samples) at 16 kHz, at least half a second.

    Returns:
        (B, features), finite; standardise with the training set's mean and deviation before use.
    """
    window = torch.hann_window(N_FFT, device=wave.device)
    spectrum = torch.stft(wave, N_FFT, HOP, window=window, return_complex=True)[:, 1:]  # (B, 256, T)
    power = spectrum.real.square() + spectrum.imag.square()
    peak = power.amax(dim=(1, 2), keepdim=True) + 1e-12
    fine = (power / peak + 10**-7.0).log()
    level = (power.reshape(len(wave), BANDS, -1, power.shape[2]).mean(2) / peak + 10**-7.0).log()  # (B, 64, T)
    loud = level.mean(1, keepdim=True)
    relative = level - loud
    parts = _moments(relative)
    steps = level[:, :, 1:] - level[:, :, :-1]
    parts += [steps.abs().mean(-1), steps.square().mean(-1).sqrt()]
    slow = torch.fft.rfft(level - level.mean(-1, keepdim=True), dim=-1).abs()
    edges = [round(hertz * int(level.shape[2]) * HOP / 16_000) for hertz in (1, 4, 10, 20, 35, 60)]
    total = slow.square().sum(-1) + 1e-6
    parts += [(slow[..., a : max(b, a + 1)].square().sum(-1) / total + 1e-6).log()[:, ::4] for a, b in pairwise(edges)]
    ripple = (fine[:, 1:] - fine[:, :-1]).abs()
    parts.append(ripple[:, :252].reshape(len(wave), 63, -1).mean(-1))
    angle = torch.arange(BANDS, device=wave.device) + 0.5
    basis = torch.cos(math.pi / BANDS * angle[:, None] * torch.arange(CEPSTRA, device=wave.device)[None])
    cepstra = (level.transpose(1, 2) @ basis).transpose(1, 2) / BANDS  # (B, 30, T)
    parts += [*_moments(cepstra)[1:], (cepstra[..., 1:] - cepstra[..., :-1]).abs().mean(-1)]
    parts += _phase(spectrum, power)
    near = relative[:, 1:] * relative[:, :-1]
    parts.append(near.mean(-1) - relative[:, 1:].mean(-1) * relative[:, :-1].mean(-1))
    return torch.nan_to_num(torch.cat(parts, dim=1), nan=0.0, posinf=0.0, neginf=0.0)


def _phase(spectrum: Tensor, power: Tensor) -> list[Tensor]:
    """Return, per eighth bins, how predictable the phase is in time and over frequency, weighted by level."""
    unit = spectrum / (power.sqrt() + 1e-9)
    weight = power.sqrt()
    second = unit[..., 2:] * unit[..., 1:-1].conj().square() * unit[..., :-2]
    in_time = (second * weight[..., 1:-1]).mean(-1).abs() / (weight[..., 1:-1].mean(-1) + 1e-9)
    delay = unit[:, 2:] * unit[:, 1:-1].conj().square() * unit[:, :-2]
    over_bins = (delay * weight[:, 1:-1]).mean(-1).abs() / (weight[:, 1:-1].mean(-1) + 1e-9)
    pieces = [in_time.reshape(len(power), 64, 4).mean(-1), over_bins[:, :252].reshape(len(power), 63, 4).mean(-1)]
    return [piece.float() for piece in pieces]

"""Fourier transforms in real numbers, for graphs that know no complex ones: ONNX Runtime, quantizers, compilers.

Inside `real_fourier()` torch's own transforms are matrix products, and what they return is a pair of real tensors that
answers to the few operations which the networks of this folder use. Values agree with the fast transforms to float32's
rounding. The patch is for tracing a network once, in one thread; nothing is judged inside.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class Pair:
    """A complex tensor as its real and imaginary parts."""

    def __init__(self, real: Tensor, imag: Tensor) -> None:
        self.real = real
        self.imag = imag

    @property
    def shape(self) -> torch.Size:
        """Shape of either part."""
        return self.real.shape

    def __getitem__(self, index: Any) -> Pair:
        return Pair(self.real[index], self.imag[index])

    def __mul__(self, other: Pair | Tensor | float) -> Pair:
        if isinstance(other, Pair):
            return Pair(
                self.real * other.real - self.imag * other.imag, self.real * other.imag + self.imag * other.real
            )
        return Pair(self.real * other, self.imag * other)

    def __truediv__(self, other: Tensor | float) -> Pair:
        return Pair(self.real / other, self.imag / other)

    def conj(self) -> Pair:
        """Return the conjugate."""
        return Pair(self.real, -self.imag)

    def square(self) -> Pair:
        """Return the square."""
        return self * self

    def abs(self) -> Tensor:
        """Return the magnitude."""
        return (self.real.square() + self.imag.square()).sqrt()

    def mean(self, *args: Any, **options: Any) -> Pair:
        """Return the mean over axes."""
        return Pair(self.real.mean(*args, **options), self.imag.mean(*args, **options))


@contextmanager
def real_fourier() -> Iterator[None]:
    """Replace `torch.stft` and `torch.fft.rfft` while the block runs."""
    kept = torch.stft, torch.fft.rfft
    torch.stft, torch.fft.rfft = _stft, _rfft  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.stft, torch.fft.rfft = kept


def _basis(size: int) -> tuple[Tensor, Tensor]:
    """Return cosines and negative sines, each (size // 2 + 1, size); made in float64, as exact as float32 can hold."""
    turns = torch.arange(size // 2 + 1, dtype=torch.float64)[:, None] * torch.arange(size, dtype=torch.float64)[None]
    angle = (turns % size) * (2 * math.pi / size)
    return angle.cos().float(), -angle.sin().float()


def _stft(wave: Tensor, n_fft: int, hop_length: int, *, window: Tensor, return_complex: bool = True) -> Pair:
    """Return (B, n_fft // 2 + 1, frames) as torch does with its defaults: centred, mirrored at the edges, one side."""
    cosines, sines = _basis(n_fft)
    padded = functional.pad(wave[:, None], (n_fft // 2, n_fft // 2), mode="reflect")
    kernels = (torch.cat([cosines, sines]) * window)[:, None]
    both = functional.conv1d(padded, kernels, stride=hop_length)
    return Pair(both[:, : n_fft // 2 + 1], both[:, n_fft // 2 + 1 :])


def _rfft(x: Tensor, dim: int = -1) -> Pair:
    """Return the one-sided transform along the last axis."""
    cosines, sines = _basis(int(x.shape[-1]))
    return Pair(x @ cosines.T, x @ sines.T)

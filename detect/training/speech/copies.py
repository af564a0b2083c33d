"""Aligned pairs: the same seconds of a real voice once more, rebuilt by a vocoder.

A copy shares words, speaker, room and microphone with its original, so that only the rebuilding is left to learn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from detect.media.pcm import SAMPLE_RATE_HZ
from detect.types import Float32Array

Complex = npt.NDArray[np.complex128]
Copier = Callable[[Float32Array, Generator], Float32Array]

N_FFT = 1024
HOP = 256


def mel_bank(bands: int, *, n_fft: int = N_FFT, high_hz: float = 8_000.0) -> Float32Array:
    """Return triangular mel filters of shape (bands, n_fft // 2 + 1), HTK scale, unit peak."""
    edges_mel = np.linspace(0, 2595 * np.log10(1 + high_hz / 700), bands + 2)
    edges = 700 * (10 ** (edges_mel / 2595) - 1)
    hertz = np.linspace(0, SAMPLE_RATE_HZ / 2, n_fft // 2 + 1)
    rise = (hertz[None] - edges[:-2, None]) / np.maximum(edges[1:-1] - edges[:-2], 1e-6)[:, None]
    fall = (edges[2:, None] - hertz[None]) / np.maximum(edges[2:] - edges[1:-1], 1e-6)[:, None]
    return np.maximum(0, np.minimum(rise, fall)).astype(np.float32)


def _stft(wave: npt.NDArray[np.floating]) -> Complex:
    """Return the short-time spectrum, (bins, frames)."""
    from scipy.signal import stft

    return cast(Complex, stft(wave, nperseg=N_FFT, noverlap=N_FFT - HOP)[2])


def _istft(spectrum: Complex, count: int) -> npt.NDArray[np.float64]:
    """Return `count` samples of the inverse."""
    from scipy.signal import istft

    wave = istft(spectrum, nperseg=N_FFT, noverlap=N_FFT - HOP)[1][:count]
    return cast(npt.NDArray[np.float64], np.pad(wave, (0, count - len(wave))))


def _through_mel(power: npt.NDArray[np.floating], rng: Generator) -> npt.NDArray[np.floating]:
    """Return magnitudes as a mel spectrogram of 40 to 128 bands keeps them."""
    bank = mel_bank(int(rng.choice([40, 64, 80, 80, 80, 100, 128])))
    back = np.linalg.pinv(bank.astype(np.float64))
    return np.maximum(back @ (bank @ power), 1e-8)


def copy_griffin_lim(wave: Float32Array, rng: Generator) -> Float32Array:
    """Rebuild from mel magnitudes with 8 to 40 rounds of fast Griffin-Lim (Perraudin 2013, momentum 0.99)."""
    spectrum = _stft(wave)
    magnitude = _through_mel(np.abs(spectrum), rng)
    angles = np.exp(2j * np.pi * rng.random(magnitude.shape))
    previous: Complex | float = 0.0
    for _ in range(int(rng.integers(8, 40))):
        rebuilt = _stft(_istft(magnitude * angles, len(wave)))[:, : magnitude.shape[1]]
        rebuilt = np.pad(rebuilt, ((0, 0), (0, magnitude.shape[1] - rebuilt.shape[1])))
        step = rebuilt - (0.99 / 1.99) * previous
        angles = step / np.maximum(np.abs(step), 1e-12)
        previous = rebuilt
    return _istft(magnitude * angles, len(wave)).astype(np.float32)


def copy_noisy_phase(wave: Float32Array, rng: Generator) -> Float32Array:
    """Keep the phase up to a random error that grows with frequency: what one-pass inverse-STFT vocoders leave."""
    spectrum = _stft(wave)
    magnitude = _through_mel(np.abs(spectrum), rng) if rng.random() < 0.7 else np.abs(spectrum)
    spread = np.linspace(rng.uniform(0.0, 0.4), rng.uniform(0.5, 2.5), len(spectrum))[:, None]
    error = spread * rng.standard_normal(spectrum.shape)
    return _istft(magnitude * np.exp(1j * (np.angle(spectrum) + error)), len(wave)).astype(np.float32)


def copy_world(wave: Float32Array, rng: Generator) -> Float32Array:
    """Analyse and resynthesise with WORLD (Morise 2016); pitch and formants move a little in half of the copies.

    Raises:
        ImportError: `pyworld` is not installed; the caller then uses the other copies.
    """
    import pyworld  # type: ignore[import-not-found]

    values = wave.astype(np.float64)
    pitch, times = pyworld.dio(values, SAMPLE_RATE_HZ)
    pitch = pyworld.stonemask(values, pitch, times, SAMPLE_RATE_HZ)
    envelope = pyworld.cheaptrick(values, pitch, times, SAMPLE_RATE_HZ)
    aperiodicity = pyworld.d4c(values, pitch, times, SAMPLE_RATE_HZ)
    if rng.random() < 0.5:
        pitch = pitch * 2 ** rng.uniform(-0.5, 0.5)
    rebuilt = pyworld.synthesize(pitch, envelope, aperiodicity, SAMPLE_RATE_HZ)[: len(wave)]
    return np.pad(rebuilt, (0, len(wave) - len(rebuilt))).astype(np.float32)


COPIERS: dict[str, Copier] = {
    "world": copy_world,
    "griffin_lim": copy_griffin_lim,
    "noisy_phase": copy_noisy_phase,
}


def usable_copiers() -> list[str]:
    """Return the copiers whose packages import here; `pyworld` also wants `setuptools<81`."""
    try:
        import pyworld  # noqa: F401
    except ImportError:
        return [name for name in COPIERS if name != "world"]
    return list(COPIERS)

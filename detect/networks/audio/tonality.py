"""How much a sound keeps its tones: notes stand still, the harmonics of a voice glide.

The measure is the similarity of the fine structure of the spectrum with itself a third of a second later: high for
held notes and chords, low for speech, near zero for noise.
"""

from __future__ import annotations

import numpy as np

from detect.types import Float32Array

SAMPLE_RATE_HZ = 16_000
N_FFT = 2_048
HOP = 512
LAG = 10
"""Frames between the two looks: 320 ms, longer than a vowel holds its pitch to within 8 Hz."""

BAND_HZ = (80.0, 4_000.0)
SMOOTH = 15


def measure_tonality(wave: Float32Array) -> float:
    """Return the mean similarity in [-1, 1] of loud moments with what follows 320 ms later; 0 when too short.

    Args:
        wave: (samples,) at 16 kHz, some seconds.
    """
    count = (len(wave) - N_FFT) // HOP + 1
    if count <= LAG:
        return 0.0
    frames = np.lib.stride_tricks.sliding_window_view(wave, N_FFT)[::HOP][:count]
    power = np.abs(np.fft.rfft(frames * np.hanning(N_FFT).astype(np.float32), axis=1)) ** 2
    low, high = (int(hertz * N_FFT / SAMPLE_RATE_HZ) for hertz in BAND_HZ)
    level = power[:, low:high].sum(axis=1)
    fine = np.log(power[:, low:high] + 1e-9)
    kernel = np.ones(SMOOTH) / SMOOTH
    fine -= np.apply_along_axis(np.convolve, 1, fine, kernel, mode="same")
    fine /= np.linalg.norm(fine, axis=1, keepdims=True) + 1e-9
    likeness = (fine[:-LAG] * fine[LAG:]).sum(axis=1)
    loud = np.minimum(level[:-LAG], level[LAG:])
    keep = loud > np.quantile(loud, 0.3)
    return float(likeness[keep].mean()) if keep.any() else 0.0

"""Sound as the rest of the house hands it on: int16 or float32, one or several channels, perhaps mapped from a file."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from detect.types import Float32Array

Waveform = npt.NDArray[np.int16] | Float32Array
"""(N,) or (channels, N); float32 in [-1, 1]."""

_FULL_SCALE = np.float32(32767)


def length_of(waveform: Waveform) -> int:
    """Return the samples of one channel."""
    return int(waveform.shape[-1])


def mono_part(waveform: Waveform, start: int = 0, stop: int | None = None) -> Float32Array:
    """Return samples `start` to `stop` mixed to one channel, float32 in [-1, 1]; only they are read from a map."""
    part = waveform[..., start:stop]
    is_integer = part.dtype.kind == "i"
    samples = part.astype(np.float32)
    if is_integer:
        samples /= _FULL_SCALE
    return samples.mean(axis=0) if samples.ndim == 2 else samples

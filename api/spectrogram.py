"""A recording as a picture: time to the right, tones upwards, level as lightness."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from detect.render.heatmap import palette

_WINDOW = 512  # 32 ms at 16 kHz, the usual frame of speech analysis
_COLUMNS = 1200
_FLOOR_DB = -80.0


def draw_spectrogram(samples: npt.NDArray[np.float32]) -> bytes:
    """Return a PNG of 1200 x 257 pixels at most.

    Args:
        samples: (N,) float in [-1, 1], one channel; recordings shorter than one window are padded.
    """
    padded = np.pad(samples, (0, max(0, _WINDOW - len(samples))))
    starts = np.linspace(0, len(padded) - _WINDOW, min(_COLUMNS, max(1, len(padded) // (_WINDOW // 4))))
    window = np.hanning(_WINDOW).astype(np.float32)
    frames = np.stack([padded[int(start) : int(start) + _WINDOW] * window for start in starts])  # (T, W)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2  # (T, F)
    decibels = 10 * np.log10(power / max(float(power.max()), 1e-12) + 1e-12)
    levels = np.clip(1.0 - decibels / _FLOOR_DB, 0.0, 1.0).astype(np.float32)
    sink = io.BytesIO()
    Image.fromarray(palette(levels.T[::-1])).save(sink, "PNG", optimize=True)
    return sink.getvalue()

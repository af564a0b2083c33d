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


def draw_spectrogram(waveform: npt.NDArray[np.int16]) -> bytes:
    """Return a PNG of 1200 x 257 pixels at most.

    Only the windows that become columns are read, so hours cost as much as seconds.

    Args:
        waveform: (channels, N) int16; recordings shorter than one window are padded.
    """
    length = max(waveform.shape[1], _WINDOW)
    starts = np.linspace(0, length - _WINDOW, min(_COLUMNS, max(1, length // (_WINDOW // 4))))
    taper = np.hanning(_WINDOW)
    frames = np.zeros((len(starts), _WINDOW))  # (T, W)
    for row, start in enumerate(starts):
        piece = waveform[:, int(start) : int(start) + _WINDOW].mean(axis=0) / 32768.0
        frames[row, : len(piece)] = piece
    power = np.abs(np.fft.rfft(frames * taper, axis=1)) ** 2  # (T, F)
    decibels = 10 * np.log10(power / max(float(power.max()), 1e-12) + 1e-12)
    levels = np.clip(1.0 - decibels / _FLOOR_DB, 0.0, 1.0).astype(np.float32)
    sink = io.BytesIO()
    Image.fromarray(palette(levels.T[::-1])).save(sink, "PNG", optimize=True)
    return sink.getvalue()

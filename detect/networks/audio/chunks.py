"""What the voice-activity net is given: a wave cut to chunks, in numpy, so that a start needs no torch for it."""

from __future__ import annotations

import numpy as np

from detect.types import Float32Array

CHUNK = 512
"""Samples a decision: 32 ms at 16 kHz."""

CONTEXT = 64
"""Samples of the chunk before that the network sees again."""


def cut_chunks(wave: Float32Array) -> Float32Array:
    """Return (ceil(samples / CHUNK), CONTEXT + CHUNK) for a wave (samples,): silence before it and after its end."""
    padded = np.pad(wave, (CONTEXT, -len(wave) % CHUNK))
    if len(padded) < CONTEXT + CHUNK:
        return np.zeros((0, CONTEXT + CHUNK), np.float32)
    views = np.lib.stride_tricks.sliding_window_view(padded, CONTEXT + CHUNK)
    return np.array(views[::CHUNK], dtype=np.float32, order="C")

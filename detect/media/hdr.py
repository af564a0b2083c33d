"""High dynamic range frames (PQ and HLG, BT.2020) to what an ordinary screen shows. Runs in the guarded child."""

from __future__ import annotations

from typing import Any

import numpy as np

from detect.types import Float32Array, UInt8Array

PQ, HLG = 16, 18
"""Transfer characteristics as ITU-T H.273 numbers them."""

REFERENCE_WHITE_NITS = 203.0
"""Brightness of a white sheet in HDR pictures (ITU-R BT.2408, 2.2)."""

_BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)  # ITU-R BT.2087, 4


def is_hdr(frame: Any) -> bool:
    """Return whether a decoded frame carries PQ or HLG values."""
    return int(frame.color_trc or 0) in (PQ, HLG)


def to_sdr(frame: Any) -> UInt8Array:
    """Return an HDR frame as (H, W, 3) uint8 sRGB: linear light, BT.709 primaries, highlights rolled off."""
    values = frame.reformat(format="rgb48le", threads=1).to_ndarray().astype(np.float32) / 65535.0
    linear = pq_to_linear(values) if int(frame.color_trc) == PQ else hlg_to_linear(values)
    linear = np.clip(linear @ _BT2020_TO_BT709.T, 0.0, None)
    rolled = np.where(linear <= 0.8, linear, 0.8 + 0.2 * np.tanh((linear - 0.8) / 0.8))
    coded = np.where(rolled <= 0.0031308, 12.92 * rolled, 1.055 * np.maximum(rolled, 1e-6) ** (1 / 2.4) - 0.055)
    return np.asarray((np.clip(coded, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8))


def pq_to_linear(values: Float32Array) -> Float32Array:
    """Return light relative to reference white of PQ values in [0, 1] (SMPTE ST 2084)."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    power = np.power(np.clip(values, 0.0, 1.0), 1 / m2)
    nits = 10_000.0 * np.power(np.maximum(power - c1, 0.0) / (c2 - c3 * power), 1 / m1)
    return np.asarray(nits / REFERENCE_WHITE_NITS, np.float32)


def hlg_to_linear(values: Float32Array) -> Float32Array:
    """Return light relative to reference white (signal 0.75) of HLG values in [0, 1] (ITU-R BT.2100, table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(values <= 0.5, values**2 / 3.0, (np.exp((values - c) / a) + b) / 12.0)
    return np.asarray(scene / 0.2650, np.float32)  # scene light of signal 0.75

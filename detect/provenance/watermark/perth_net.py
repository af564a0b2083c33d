"""Perth's decoder in numpy: the strength of its mark in mono sound at 32 kHz.

Why not torch: importing it costs a second, three times what the rest of a short recording costs. The published weights
are read without it too. Perth, "PerthNet implicit", 250 000 steps; a test compares the layers with torch's.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from detect.types import Float32Array

FFT, HOP = 2048, 320
SUBBAND = 128
"""Frequency bins up to 2 kHz, which is where the mark lies."""

SCALES = (("slow", 1.25), ("normal", 1.0), ("fast", 0.75))
"""Branches of the decoder: each hears the sound stretched in time by its factor."""

_LAYERS = 7
_LEAK = 0.01
_FLOOR, _HEADROOM_DB = 1e-9, 15.0
_MASK_SHARE = 0.05


class PerthDecoder:
    """Holds the weights; safe to call from several threads.

    Args:
        state: Weights by their published names.
    """

    def __init__(self, state: Mapping[str, Float32Array]) -> None:
        self._branches = {
            name: [
                (
                    taps_of(state[f"decoder.{name}_layers.{index}.conv.weight"]),
                    state[f"decoder.{name}_layers.{index}.conv.bias"],
                )
                for index in range(_LAYERS)
            ]
            for name, _ in SCALES
        }

    def __call__(self, mono: Float32Array) -> float:
        """Return the mark's strength: three time scales, each averaged over loud frames, weighed by attention."""
        levels = _levels(mono)
        loudness = levels.sum(axis=0)  # (T,)
        mask = (loudness > loudness.max() * _MASK_SHARE).astype(np.float32)
        subband = levels[:SUBBAND]
        frames = subband.shape[1]
        marks, attentions = [], []
        for name, scale in SCALES:
            size = int(frames * scale)
            output = self._branch(name, _stretch(subband, size))  # (2, size)
            weight = mask[np.arange(size) * frames // size]
            attentions.append(float((output[0] * weight).sum() / weight.sum()))
            marks.append(float((output[1] * weight).sum() / weight.sum()))
        shares = np.exp(np.array(attentions) - max(attentions))
        return float(np.dot(shares / shares.sum(), marks))

    def _branch(self, name: str, x: Float32Array) -> Float32Array:
        """Run one scale: a pointwise layer in, five of width 7, two values out a frame."""
        for index, (taps, bias) in enumerate(self._branches[name]):
            x = convolve(x, taps, bias)
            if index < _LAYERS - 1:
                x = np.maximum(x, _LEAK * x)
        return x


def taps_of(weight: Float32Array) -> Float32Array:
    """Return a convolution's weight (outputs, inputs, width) as the matrices of its taps, (width, outputs, inputs)."""
    return np.ascontiguousarray(weight.transpose(2, 0, 1))


def convolve(x: Float32Array, taps: Float32Array, bias: Float32Array) -> Float32Array:
    """Return (outputs, T) for x (inputs, T), with zeros beyond both ends; see `taps_of`."""
    width, frames = len(taps), x.shape[1]
    padded = np.pad(x, ((0, 0), (width // 2, width // 2)))
    total = np.repeat(bias[:, None], frames, axis=1)
    for place, tap in enumerate(taps):
        total += tap @ padded[:, place : place + frames]
    return total


def read_state(data: bytes) -> dict[str, Float32Array]:
    """Return the tensors of a torch file by name, without torch: a zip of raw numbers and a pickle of their shapes.

    The pickle may name nothing but tensors of 32-bit floats and ordered dictionaries.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        index = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        folder = index.removesuffix("data.pkl")
        reader = _TensorReader(io.BytesIO(archive.read(index)), archive, folder)
        return dict(reader.load()["model"])


class _TensorReader(pickle.Unpickler):
    """Reads the pickle of a torch file with arrays in place of tensors; refuses every other name."""

    def __init__(self, stream: io.BytesIO, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(stream)
        self._archive = archive
        self._folder = folder

    def find_class(self, module: str, name: str) -> Any:
        known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch", "FloatStorage"): np.float32,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"weights do not name {module}.{name}")
        return known[module, name]

    def persistent_load(self, pid: Any) -> Float32Array:
        _, dtype, key, *_ = pid
        return np.frombuffer(self._archive.read(f"{self._folder}data/{key}"), dtype)


def _rebuild(storage: Float32Array, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Any:
    """Return the array that torch's function of that name would return the tensor of."""
    steps = tuple(4 * step for step in stride)
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps, writeable=False)


def _levels(mono: Float32Array) -> Float32Array:
    """Return the spectrogram in decibels, scaled so that the floor is 0, shape (frequencies, T)."""
    padded = np.pad(mono.astype(np.float32), FFT // 2, mode="reflect")
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT) / FFT)).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT)[::HOP]
    magnitude = np.abs(np.fft.rfft(frames * window)).astype(np.float32)  # (T, frequencies)
    decibels = 20.0 * np.log10(np.maximum(magnitude, _FLOOR))
    floor_db = 20.0 * math.log10(_FLOOR)
    return cast(Float32Array, ((decibels - floor_db) / (_HEADROOM_DB - floor_db)).T)


def _stretch(x: Float32Array, size: int) -> Float32Array:
    """Return x (channels, T) at `size` moments from its first to its last frame, between them on straight lines."""
    frames = x.shape[1]
    if size == frames:
        return x
    at = np.linspace(0.0, frames - 1, size)
    left = np.minimum(at.astype(np.int64), frames - 2)
    share = (at - left).astype(np.float32)
    return cast(Float32Array, x[:, left] * (1 - share) + x[:, left + 1] * share)

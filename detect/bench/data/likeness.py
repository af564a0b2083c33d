"""A 64-bit perceptual hash: near-copies of a picture, recording or clip differ in few bits.

DCT hash (Zauner 2010): the sign of the 8 x 8 lowest frequencies of a 32 x 32 grey picture against their median. A
recording is hashed as its picture: a log-spectrogram of 32 bands by 32 moments. A clip is hashed as its middle frame.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

_SIDE = 32
_KEPT = 8
Bits = npt.NDArray[np.bool_]


def hash_file(file: Path, *, medium: str) -> Bits:
    """Return the 64 bits of a file, shape (64,).

    Raises:
        ValueError: Nothing in the file to hash.
    """
    if medium == "audio":
        return hash_grey(_spectrogram(file))
    if medium == "video":
        return hash_grey(_middle_frame(file))
    from detect.bench.perturb.pixels import open_rgb

    return hash_grey(_to_grey(open_rgb(file)))


def hash_grey(grey: npt.NDArray[np.float64]) -> Bits:
    """Return the bits of a 32 x 32 array."""
    from scipy.fft import dctn

    low = dctn(grey, norm="ortho")[:_KEPT, :_KEPT].flatten()
    bits: Bits = low > np.median(low[1:])  # the mean brightness is no likeness
    return bits


def distances(first: Bits, second: Bits) -> npt.NDArray[np.int64]:
    """Return the number of differing bits of each pair, shape (first, second)."""
    a, b = 2.0 * first.astype(np.float32) - 1, 2.0 * second.astype(np.float32) - 1
    differing: npt.NDArray[np.int64] = ((first.shape[1] - a @ b.T) / 2).round().astype(np.int64)
    return differing


def _to_grey(picture: Image.Image) -> npt.NDArray[np.float64]:
    return np.asarray(picture.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX), dtype=np.float64)


def _middle_frame(file: Path) -> npt.NDArray[np.float64]:
    from detect.bench.perturb.clip import read_frames

    frames = list(read_frames(file, max_frames=60))
    if not frames:
        raise ValueError(f"{file.name} has no frames")
    return _to_grey(frames[len(frames) // 2])


def _spectrogram(file: Path) -> npt.NDArray[np.float64]:
    from detect.bench.perturb.sound import read_mono

    waveform, _ = read_mono(file, rate_hz=8000)
    window = 256
    if len(waveform) < 2 * window:
        raise ValueError(f"{file.name} is too short to hash")
    starts = np.linspace(0, len(waveform) - window, 4 * _SIDE).astype(int)
    frames = np.stack([waveform[start : start + window] for start in starts]) * np.hanning(window)
    power = np.abs(np.fft.rfft(frames, axis=1))[:, 1:] ** 2  # (128, 128)
    cells = power.reshape(_SIDE, 4, _SIDE, 4).mean(axis=(1, 3))
    picture: npt.NDArray[np.float64] = np.log(cells + 1e-8 * (cells.max() + 1e-12)).T
    return picture

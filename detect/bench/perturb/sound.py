"""Reading and writing of sound for perturbations and peers: float32 waveforms of shape (samples,)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

Waveform = npt.NDArray[np.float32]


def read_mono(file: Path, *, rate_hz: int | None = None) -> tuple[Waveform, int]:
    """Return the mean of all channels in [-1, 1] and its rate, resampled to `rate_hz` when given.

    Raises:
        ValueError: No sound in the file.
    """
    waveform, rate = _read(file)
    if not len(waveform):
        raise ValueError(f"{file.name} holds no sound")
    if rate_hz is not None and rate_hz != rate:
        waveform, rate = resample(waveform, rate, rate_hz), rate_hz
    return waveform, rate


def _read(file: Path) -> tuple[Waveform, int]:
    import soundfile

    try:
        samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
        return samples.mean(axis=1), int(rate)
    except soundfile.LibsndfileError:
        return _read_with_av(file)


def _read_with_av(file: Path) -> tuple[Waveform, int]:
    import av

    with av.open(str(file)) as container:
        if not container.streams.audio:
            raise ValueError(f"{file.name} has no sound track")
        stream = container.streams.audio[0]
        rate = int(stream.rate)
        resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
        parts = []
        for frame in container.decode(stream):
            parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
        parts += [part.to_ndarray()[0] for part in resampler.resample(None)]
    waveform = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return waveform.astype(np.float32), rate


def resample(waveform: Waveform, rate: int, wanted: int) -> Waveform:
    """Return the waveform at another rate (band-limited)."""
    import soxr

    changed: Waveform = soxr.resample(waveform, rate, wanted).astype(np.float32)
    return changed


def write_wav(waveform: Waveform, rate: int, stem: Path) -> Path:
    """Write 16-bit `<stem>.wav`, clipped to [-1, 1], and return it."""
    import soundfile

    target = stem.with_suffix(".wav")
    soundfile.write(target, np.clip(waveform, -1.0, 1.0), rate, subtype="PCM_16")
    return target

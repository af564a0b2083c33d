"""Reading and writing of sound for perturbations and peers: float32 waveforms of shape (samples,)."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

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


def write_pcm(waveform: Waveform, rate: int, stem: Path, *, ending: str = ".wav") -> Path:
    """Write 16-bit WAV or FLAC, clipped to [-1, 1], and return it."""
    import soundfile

    target = stem.with_suffix(ending)
    soundfile.write(target, np.clip(waveform, -1.0, 1.0), rate, subtype="PCM_16")
    return target


def write_subtype(waveform: Waveform, rate: int, stem: Path, *, subtype: str) -> Path:
    """Write a WAV of a telephone coding (`ULAW`, `ALAW`, `GSM610`) and return it."""
    import soundfile

    target = stem.with_suffix(".wav")
    soundfile.write(target, np.clip(waveform, -1.0, 1.0), rate, subtype=subtype, format="WAV")
    return target


def encode(waveform: Waveform, rate: int, stem: Path, *, codec: str, ending: str, bit_rate: int) -> Path:
    """Encode mono sound with an FFmpeg codec and return the file.

    Args:
        waveform: Shape (samples,), in [-1, 1].
        rate: Hz; must be one that the codec knows (Opus 48000/24000/16000/12000/8000, AMR-NB 8000).
        stem: Path of the output without ending.
        codec: FFmpeg's name: `libmp3lame`, `aac`, `libopus`, `libopencore_amrnb`.
        ending: Container by ending: `.mp3`, `.m4a`, `.ogg`, `.amr`.
        bit_rate: Bits a second.
    """
    import av

    target = stem.with_suffix(ending)
    with av.open(str(target), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.bit_rate = bit_rate
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.clip(waveform, -1.0, 1.0)[None].astype(np.float32), "flt", "mono")
        frame.sample_rate = rate
        frame.time_base = Fraction(1, rate)
        frame.pts = 0
        resampler = av.AudioResampler(
            format=stream.codec_context.format.name,
            layout="mono",
            rate=rate,
            frame_size=stream.codec_context.frame_size,
        )
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return target

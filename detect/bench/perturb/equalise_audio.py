"""The two protocols of the main tables for sound: rate, container, band, level, silence and length say nothing.

In the data, reals are mostly 16 or 48 kHz and generated files 22.05 or 24 kHz; fixed levels, digital silence and MP3
mark systems. Both labels pass the same lottery here; what is left is shown by the trivial-feature baseline.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from detect.bench.perturb.audio import add_noise, band_limit
from detect.bench.perturb.base import Rng, register
from detect.bench.perturb.sound import Waveform, encode, read_mono, resample, write_pcm

RATE_HZ = 16_000
_SILENCE_DB = 40.0  # below the loudest 20 ms
_FRAME_S = 0.02
_LENGTHS_S = (2.5, 4.0)


def prepare(file: Path, rng: Rng) -> Waveform:
    """Return mono sound at 16 kHz: edges without silence, a random cut of 2.5-4 s, a drawn level, noise under it."""
    waveform, _ = read_mono(file, rate_hz=RATE_HZ)
    waveform = trim_silence(waveform)
    length = int(rng.uniform(*_LENGTHS_S) * RATE_HZ)
    start = int(rng.integers(0, max(1, len(waveform) - length + 1)))
    waveform = waveform[start : start + length]
    level_db = float(rng.uniform(-30.0, -20.0))
    rms = float(np.sqrt(np.mean(waveform**2))) + 1e-9
    waveform = np.clip(waveform * (10 ** (level_db / 20) / rms), -0.99, 0.99).astype(np.float32)
    return add_noise(waveform, rng, snr_db=float(rng.uniform(45.0, 55.0)))  # hides digital silence


def trim_silence(waveform: Waveform) -> Waveform:
    """Return the sound between the first and the last 20 ms that are within 40 dB of the loudest."""
    frame = int(_FRAME_S * RATE_HZ)
    count = len(waveform) // frame
    if count < 2:
        return waveform
    power = (waveform[: count * frame].reshape(count, frame) ** 2).mean(axis=1)
    loud = np.flatnonzero(power > power.max() * 10 ** (-_SILENCE_DB / 10))
    if not len(loud):
        return waveform
    return waveform[loud[0] * frame : (loud[-1] + 1) * frame]


@register(
    "clean",
    media="audio",
    version=1,
    about="Mono 16 kHz, silent edges cut, 2.5-4 s at random, level -30 to -20 dBFS, noise 45-55 dB below; "
    "FLAC (50 %), MP3 96-160 kbit/s (25 %) or Opus 32-64 kbit/s (25 %).",
)
def clean(file: Path, stem: Path, rng: Rng) -> Path:
    """Equalise without loss that a listener would notice."""
    waveform = prepare(file, rng)
    draw = float(rng.random())
    if draw < 0.5:
        return write_pcm(waveform, RATE_HZ, stem, ending=".flac")
    if draw < 0.75:
        bit_rate = int(rng.integers(96, 161)) * 1000
        return encode(waveform, RATE_HZ, stem, codec="libmp3lame", ending=".mp3", bit_rate=bit_rate)
    bit_rate = int(rng.integers(32, 65)) * 1000
    return encode(resample(waveform, RATE_HZ, 48_000), 48_000, stem, codec="libopus", ending=".ogg", bit_rate=bit_rate)


@register(
    "laundered",
    media="audio",
    version=1,
    about="As `clean`, then nothing above 3.4-7 kHz, noise 20-30 dB below, MP3 24-48 or Opus 10-20 kbit/s.",
)
def laundered(file: Path, stem: Path, rng: Rng) -> Path:
    """A voice message that was passed on, both labels alike."""
    waveform = band_limit(prepare(file, rng), RATE_HZ, low_hz=0.0, high_hz=float(rng.uniform(3400, 7000)))
    waveform = add_noise(waveform, rng, snr_db=float(rng.uniform(20.0, 30.0)))
    if rng.random() < 0.5:
        bit_rate = int(rng.choice([24, 32, 40, 48])) * 1000
        return encode(waveform, RATE_HZ, stem, codec="libmp3lame", ending=".mp3", bit_rate=bit_rate)
    bit_rate = int(rng.integers(10, 21)) * 1000
    return encode(resample(waveform, RATE_HZ, 48_000), 48_000, stem, codec="libopus", ending=".ogg", bit_rate=bit_rate)

"""Sounds that the tests make: a buzzing voice-like source, chords, noise; and a tiny speech model with random heads."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest

from detect.types import DecodedAudio, MediaFacts, MediaKind

RATE_HZ = 16_000


def make_buzz(seconds: float, *, seed: int = 0, rate_hz: int = RATE_HZ) -> npt.NDArray[np.float32]:
    """Return a pulse train with moving pitch through moving resonances: near enough to a voice for the gate."""
    rng = np.random.default_rng(seed)
    count = int(seconds * rate_hz)
    moments = np.arange(count) / rate_hz
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.7 * moments + rng.uniform(0, 6)) + 10 * np.sin(2 * np.pi * 2.1 * moments)
    phase = np.cumsum(pitch) / rate_hz
    wave = np.zeros(count)
    for harmonic in range(1, 30):
        hertz = harmonic * pitch
        first = 500 + 250 * np.sin(2 * np.pi * 1.9 * moments)
        second = 1500 + 500 * np.sin(2 * np.pi * 1.3 * moments + 1)
        gain = np.exp(-(((hertz - first) / 250) ** 2)) + 0.5 * np.exp(-(((hertz - second) / 300) ** 2)) + 0.02
        wave += gain * np.sin(2 * np.pi * harmonic * phase)
    syllables = np.clip(np.sin(2 * np.pi * 2.2 * moments), 0, 1) ** 0.3
    wave = wave * syllables + 0.003 * rng.standard_normal(count)
    return (0.4 * wave / np.abs(wave).max()).astype(np.float32)


def make_chord(seconds: float) -> npt.NDArray[np.float32]:
    """Return held notes that change every second."""
    moments = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    roots = np.array([220.0, 261.6, 196.0, 246.9])[moments.astype(int) % 4]
    wave = sum(np.sin(2 * np.pi * np.cumsum(roots * ratio) / RATE_HZ) for ratio in (1, 1.25, 1.5, 2, 3))
    return (0.15 * np.asarray(wave)).astype(np.float32)


def as_decoded(wave: npt.NDArray[np.floating]) -> DecodedAudio:
    """Wrap a wave (samples,) or (channels, samples) at 16 kHz as the decoder would."""
    pcm = np.round(np.clip(np.atleast_2d(wave), -1, 1) * 32767).astype(np.int16)
    facts = MediaFacts("made.wav", "0" * 64, pcm.nbytes, MediaKind.AUDIO, "wav", "audio/wav")
    return DecodedAudio(pcm, RATE_HZ, facts)


def as_wav(wave: npt.NDArray[np.floating], rate_hz: int = RATE_HZ, subtype: str = "PCM_16") -> bytes:
    """Return the bytes of a WAV file of a wave (samples,) or (samples, channels)."""
    import soundfile

    sink = io.BytesIO()
    soundfile.write(sink, wave, rate_hz, format="WAV", subtype=subtype)
    return sink.getvalue()


@pytest.fixture(scope="session")
def sounds() -> SimpleNamespace:
    """The makers of this file, for tests that may not import one another."""
    return SimpleNamespace(buzz=make_buzz, chord=make_chord, decoded=as_decoded, wav=as_wav)

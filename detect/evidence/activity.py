"""What a recording holds before anyone judges it: speech, music, other sound or silence, as spans in seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detect.networks.audio.tonality import measure_tonality
from detect.types import DecodedAudio, Float32Array

CHUNK_S = 0.032
"""Seconds of one decision of the voice-activity net."""

SPEECH_FROM = 0.5
"""Probability from which a chunk counts as speech; Silero's own default."""

BRIDGE_S, SHORTEST_S = 0.3, 0.2
"""Pauses shorter than the first belong to the speech around them; bursts shorter than the second are not speech."""

BLOCK_S = 120.0
"""Seconds looked at in one go; bounds memory for long files."""

SILENCE_DBFS = -65.0
"""A second below this level holds nothing but the noise floor of a 16-bit chain."""

MUSIC_TONALITY = 0.15
"""`measure_tonality` from which sound without speech is called music: of 166 training files, 86 % of music and 5 % of
speech lie above it, and speech is asked for first."""

MUSIC_SPEECH_SHARE = 0.25
"""Singing makes the gate fire now and then; tonal sound with less speech than this share is music all the same."""

Listener = Callable[[Float32Array], Float32Array]
"""Wave (samples,) at 16 kHz to the probability of speech for each 32 ms."""


@dataclass(frozen=True)
class Activity:
    """One channel of a recording, heard by the gate.

    Attributes:
        speech: (start, end) in seconds of each stretch of speech, in order.
        speech_s: Their total length.
        duration_s: Length of the recording.
        loudest_dbfs: Level of the loudest second, dB relative to full scale; -120 for digital silence.
        tonality: See `measure_tonality`; of up to 30 s in the middle.
    """

    speech: tuple[tuple[float, float], ...]
    speech_s: float
    duration_s: float
    loudest_dbfs: float
    tonality: float

    @property
    def kind(self) -> str:
        """`silence`, `speech`, `music` or `noise`: what most of the sound is."""
        if self.loudest_dbfs < SILENCE_DBFS:
            return "silence"
        is_tonal = self.tonality >= MUSIC_TONALITY
        if is_tonal and self.speech_s < MUSIC_SPEECH_SHARE * self.duration_s:
            return "music"
        return "speech" if self.speech_s > 0 else "noise"


def hear(audio: DecodedAudio, listener: Listener, *, channel: int = 0) -> Activity:
    """Return what one channel holds."""
    probabilities: list[Float32Array] = []
    loudest = 0.0
    for start_s in np.arange(0.0, max(audio.duration_s, CHUNK_S), BLOCK_S):
        wave = audio.read(float(start_s), float(start_s) + BLOCK_S, channel=channel)
        if not len(wave):
            continue
        loudest = max(loudest, _loudest_second(wave, audio.sample_rate_hz))
        probabilities.append(listener(level_for_gate(wave)))
    heard = np.concatenate(probabilities) if probabilities else np.zeros(0, np.float32)
    speech = find_spans(heard >= SPEECH_FROM)
    middle = audio.duration_s / 2
    return Activity(
        speech=speech,
        speech_s=sum(end - start for start, end in speech),
        duration_s=audio.duration_s,
        loudest_dbfs=20 * float(np.log10(max(loudest, 1e-6))),
        tonality=measure_tonality(audio.read(middle - 15, middle + 15, channel=channel)),
    )


def level_for_gate(wave: Float32Array) -> Float32Array:
    """Return `wave` with its peak at -6 dB, at most 40 dB louder: the gate was trained on normal levels."""
    peak = float(np.abs(wave).max(initial=0.0))
    return wave * np.float32(min(0.5 / max(peak, 1e-6), 100.0))


def _loudest_second(wave: Float32Array, rate_hz: int) -> float:
    """Return the highest root mean square of a second."""
    if len(wave) < rate_hz:
        return float(np.sqrt(np.mean(np.square(wave)))) if len(wave) else 0.0
    seconds = wave[: len(wave) // rate_hz * rate_hz].reshape(-1, rate_hz)
    return float(np.sqrt(np.square(seconds).mean(axis=1)).max())


def find_spans(is_speech: npt.NDArray[np.bool_]) -> tuple[tuple[float, float], ...]:
    """Return (start, end) in seconds of stretches of speech, pauses bridged and bursts dropped."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_speech, [False]]).astype(np.int8)))
    spans: list[list[float]] = []
    for start, end in edges.reshape(-1, 2) * CHUNK_S:
        if spans and start - spans[-1][1] < BRIDGE_S:
            spans[-1][1] = float(end)
        else:
            spans.append([float(start), float(end)])
    return tuple((start, end) for start, end in spans if end - start >= SHORTEST_S)

"""The road a recording takes before anyone hears it, drawn at random and blind to the label.

Rate, container, band limit, loudness and room give a split away (AUC 0.97 on random folds, 0.59 on unseen sources), so
both labels travel the same roads: room, noise, equaliser, band limit, codec, gain.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.random import Generator

from detect.media.pcm import SAMPLE_RATE_HZ
from detect.types import Float32Array

Step = Callable[[Float32Array, Generator], Float32Array]


@dataclass(frozen=True)
class Codec:
    """A lossy codec as PyAV names it: its rate in Hz, bit rates in bit/s (empty = fixed), option of its fast mode."""

    name: str
    container: str
    rate_hz: int
    bit_rates: tuple[int, ...]
    fast: tuple[str, str] | None = None


CODECS: dict[str, Codec] = {
    "mp3": Codec(
        "libmp3lame",
        "mp3",
        16_000,
        (16_000, 24_000, 32_000, 48_000, 64_000, 96_000, 128_000),
        ("compression_level", "9"),
    ),
    "mp3_22k": Codec("libmp3lame", "mp3", 22_050, (24_000, 32_000, 48_000, 64_000, 96_000), ("compression_level", "9")),
    "aac": Codec("aac", "adts", 16_000, (24_000, 32_000, 48_000, 64_000, 96_000), ("aac_coder", "fast")),
    "opus": Codec(
        "libopus", "ogg", 16_000, (8_000, 12_000, 16_000, 24_000, 32_000, 48_000), ("compression_level", "3")
    ),
    "wma": Codec("wmav2", "asf", 16_000, (24_000, 32_000, 48_000)),
    "g722": Codec("g722", "g722", 16_000, ()),
    "amr": Codec("libopencore_amrnb", "amr", 8_000, (4_750, 7_400, 12_200)),
    "mulaw": Codec("pcm_mulaw", "wav", 8_000, ()),
    "alaw": Codec("pcm_alaw", "wav", 8_000, ()),
    "adpcm": Codec("adpcm_ima_wav", "wav", 8_000, ()),
}
CODEC_ODDS = {
    "mp3": 0.26, "mp3_22k": 0.1, "aac": 0.14, "opus": 0.2, "wma": 0.03, "g722": 0.03, "amr": 0.08, "mulaw": 0.1,
    "alaw": 0.04, "adpcm": 0.02,
}  # fmt: skip
"""Share of each codec among coded crops: what web pages, messengers and telephones use."""


def transcode(wave: Float32Array, codec: Codec, bit_rate: int = 0) -> Float32Array:
    """Return a 16 kHz wave after one trip through a codec; its length may change by the codec's delay."""
    import av

    buffer = io.BytesIO()
    pcm = np.round(np.clip(resample(wave, SAMPLE_RATE_HZ, codec.rate_hz), -1, 1) * 32767).astype(np.int16)
    with av.open(buffer, "w", format=codec.container) as sink:
        track: Any = sink.add_stream(codec.name, rate=codec.rate_hz, options=dict([codec.fast] if codec.fast else []))
        track.layout = "mono"
        if bit_rate:
            track.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = codec.rate_hz
        frame.pts = 0
        shaper = av.AudioResampler(
            format=track.codec_context.format,
            layout="mono",
            rate=codec.rate_hz,
            frame_size=track.codec_context.frame_size or 1024,
        )
        for part in [*shaper.resample(frame), *shaper.resample(None)]:
            sink.mux(track.encode(part))
        sink.mux(track.encode(None))
    buffer.seek(0)
    blocks: list[Float32Array] = []
    with av.open(buffer, format="aac" if codec.container == "adts" else codec.container) as source:
        rate = source.streams.audio[0].codec_context.sample_rate
        flat = av.AudioResampler(format="flt", layout="mono", rate=rate)
        for decoded in source.decode(audio=0):
            blocks += [part.to_ndarray()[0] for part in flat.resample(decoded)]
        blocks += [part.to_ndarray()[0] for part in flat.resample(None)]
    return resample(np.concatenate(blocks), int(rate), SAMPLE_RATE_HZ)


def resample(wave: Float32Array, from_hz: int, to_hz: int) -> Float32Array:
    """Return `wave` at another rate."""
    import soxr

    if from_hz == to_hz:
        return wave
    return cast(Float32Array, soxr.resample(wave, from_hz, to_hz, quality="MQ").astype(np.float32))


def add_room(wave: Float32Array, rng: Generator) -> Float32Array:
    """Put the voice into a made room: a direct path and an exponentially decaying noise tail."""
    from scipy.signal import fftconvolve

    decay_s = float(rng.uniform(0.08, 0.6))
    length = int(decay_s * SAMPLE_RATE_HZ)
    tail = rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
    tail *= rng.uniform(0.02, 0.25) / max(float(np.abs(tail).max()), 1e-6)
    tail[0] = 1.0
    return cast(Float32Array, fftconvolve(wave, tail)[: len(wave)].astype(np.float32))


def add_noise(wave: Float32Array, rng: Generator) -> Float32Array:
    """Add noise of a random colour, or mains hum, 5 to 45 dB under the voice."""
    count = len(wave)
    if rng.random() < 0.1:
        base = rng.choice([50.0, 60.0])
        seconds = np.arange(count) / SAMPLE_RATE_HZ
        noise = sum(
            rng.uniform(0.1, 1) * np.sin(2 * np.pi * base * k * seconds + rng.uniform(0, 6)) for k in range(1, 8)
        )
    else:
        spectrum = np.fft.rfft(rng.standard_normal(count))
        tilt = np.arange(1, len(spectrum) + 1) ** (-float(rng.uniform(0.0, 1.0)))
        noise = np.fft.irfft(spectrum * tilt, count)
    noise = np.asarray(noise)
    level = 10 ** (-float(rng.uniform(5, 45)) / 20) * float(np.sqrt(np.mean(wave**2)) + 1e-6)
    return (wave + noise * level / max(float(np.sqrt(np.mean(noise**2))), 1e-9)).astype(np.float32)


def equalise(wave: Float32Array, rng: Generator) -> Float32Array:
    """Apply a smooth random frequency response of up to 9 dB, as microphones and players do."""
    spectrum = np.fft.rfft(wave)
    knots = rng.uniform(-9, 9, 6)
    gain_db = np.interp(np.linspace(0, 5, len(spectrum)), np.arange(6), knots)
    return np.fft.irfft(spectrum * 10 ** (gain_db / 20), len(wave)).astype(np.float32)


def limit_band(wave: Float32Array, rng: Generator) -> Float32Array:
    """Cut the band: through a lower rate, or by a low pass and a high pass with random slopes."""
    if rng.random() < 0.5:
        rate = int(rng.choice([8_000, 8_000, 10_000, 11_025, 12_000, 14_000]))
        return resample(resample(wave, SAMPLE_RATE_HZ, rate), rate, SAMPLE_RATE_HZ)
    spectrum = np.fft.rfft(wave)
    hertz = np.linspace(0, SAMPLE_RATE_HZ / 2, len(spectrum))
    gain = 1 / (1 + (hertz / rng.uniform(3_300, 8_500)) ** rng.integers(8, 80))
    if rng.random() < 0.5:
        gain *= 1 - 1 / (1 + (hertz / rng.uniform(40, 320)) ** rng.integers(2, 10))
    return np.fft.irfft(spectrum * gain, len(wave)).astype(np.float32)


def code(wave: Float32Array, rng: Generator) -> Float32Array:
    """Send the voice through a random codec at a random bit rate."""
    codec = CODECS[str(rng.choice(list(CODEC_ODDS), p=list(CODEC_ODDS.values())))]
    return transcode(wave, codec, int(rng.choice(codec.bit_rates)) if codec.bit_rates else 0)


def reduce_noise(wave: Float32Array, rng: Generator) -> Float32Array:
    """Subtract a spectral floor: call software and podcasts do it, so it must not look synthetic."""
    from scipy.signal import istft, stft

    _, _, spectrum = stft(wave, nperseg=512)
    power = np.abs(spectrum)
    floor = np.quantile(power, 0.15, axis=1, keepdims=True) * rng.uniform(1.0, 2.5)
    gain = np.maximum(1 - floor / np.maximum(power, 1e-9), rng.uniform(0.02, 0.3))
    _, cleaned = istft(spectrum * gain, nperseg=512)
    return cast(Float32Array, cleaned[: len(wave)].astype(np.float32))


def set_level(wave: Float32Array, rng: Generator) -> Float32Array:
    """Set a random peak; one in twenty is driven into clipping."""
    peak = max(float(np.abs(wave).max(initial=0.0)), 1e-5)
    target = 10 ** (float(rng.uniform(-24, 0)) / 20) if rng.random() > 0.05 else float(rng.uniform(1.2, 3.0))
    return np.clip(wave * (target / peak), -1.0, 1.0).astype(np.float32)


ROAD: tuple[tuple[Step, float], ...] = (
    (add_room, 0.2),
    (add_noise, 0.4),
    (reduce_noise, 0.07),
    (equalise, 0.45),
    (limit_band, 0.4),
    (set_level, 1.0),
    (code, 0.65),
    (set_level, 1.0),
)
"""Steps in the order of nature, with the probability of each."""


AS_DELIVERED = 0.3
"""Share of crops whose level alone is changed: files as their makers publish them; a codec hides the finest traces."""


def travel(wave: Float32Array, rng: Generator) -> Float32Array:
    """Return a copy of `wave` (samples,) after a random road, same length, peak at most 1."""
    count = len(wave)
    is_delivered = rng.random() < AS_DELIVERED
    for step, odds in ((set_level, 1.0),) if is_delivered else ROAD:
        if rng.random() < odds:
            wave = step(wave, rng)
    if len(wave) < count:
        wave = np.pad(wave, (0, count - len(wave)))
    return np.ascontiguousarray(wave[:count], dtype=np.float32)

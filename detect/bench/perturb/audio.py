"""Single changes of a recording, each at fixed strengths, for robustness sweeps.

All of them work on the mean of the channels. Codecs that are what a listener receives keep their container; telephone
codings are decoded again, as the far end does, and written as 16-bit WAV.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from detect.bench.perturb.base import Rng, register
from detect.bench.perturb.sound import Waveform, encode, read_mono, resample, write_pcm, write_subtype

Edit = Callable[[Waveform, int, Rng], Waveform]

TELEPHONE_RATE_HZ = 8000
_OPUS_RATE_HZ = 48_000
_MP3_RATES_HZ = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


def _codec(name: str, about: str, *, codec: str, ending: str, bit_rate: int, rate_hz: int | None = None) -> None:
    """Register a lossy coding at a bit rate; the sound is resampled first where the codec needs another rate."""

    @register(name, media="audio", version=1, about=about)
    def change(file: Path, stem: Path, rng: Rng) -> Path:
        waveform, rate = read_mono(file)
        wanted = rate_hz or min(_MP3_RATES_HZ, key=lambda known: (known < rate, abs(known - rate)))
        return encode(
            resample(waveform, rate, wanted) if wanted != rate else waveform,
            wanted,
            stem,
            codec=codec,
            ending=ending,
            bit_rate=bit_rate,
        )


def _edit(name: str, about: str, edit: Edit) -> None:
    """Register a change of the waveform; the result is written as 16-bit WAV at the rate of the input."""

    @register(name, media="audio", version=1, about=f"{about} Written as 16-bit WAV.")
    def change(file: Path, stem: Path, rng: Rng) -> Path:
        waveform, rate = read_mono(file)
        return write_pcm(edit(waveform, rate, rng), rate, stem)


def _telephone(name: str, about: str, subtype: str) -> None:
    """Register a telephone coding at 8 kHz, decoded again."""

    @register(name, media="audio", version=1, about=about)
    def change(file: Path, stem: Path, rng: Rng) -> Path:
        waveform, _ = read_mono(file, rate_hz=TELEPHONE_RATE_HZ)
        coded = write_subtype(waveform, TELEPHONE_RATE_HZ, stem.with_name(f"{stem.name}-coded"), subtype=subtype)
        return write_pcm(read_mono(coded)[0], TELEPHONE_RATE_HZ, stem)


def add_noise(waveform: Waveform, rng: Rng, *, snr_db: float) -> Waveform:
    """Add pink noise at a signal-to-noise ratio in dB (rooms and microphones are closer to pink than to white)."""
    spectrum = np.fft.rfft(rng.normal(size=len(waveform)))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1.0))
    noise = np.fft.irfft(spectrum, len(waveform))
    power = float(np.mean(waveform**2)) + 1e-12
    noise *= np.sqrt(power / (np.mean(noise**2) + 1e-20)) * 10 ** (-snr_db / 20)
    noisy: Waveform = (waveform + noise).astype(np.float32)
    return noisy


def add_reverb(waveform: Waveform, rate: int, rng: Rng, *, decay_s: float) -> Waveform:
    """Convolve with a synthetic room: direct sound, then noise that decays by 60 dB within `decay_s`."""
    from scipy.signal import fftconvolve

    length = max(2, int(decay_s * rate))
    tail = rng.normal(size=length) * 10 ** (-3 * np.arange(length) / length)
    tail[: max(1, int(0.002 * rate))] = 0.0  # the first reflection comes 2 ms after the direct sound
    tail *= 0.5 / (np.sqrt(np.sum(tail**2)) + 1e-12)
    tail[0] = 1.0
    wet = fftconvolve(waveform, tail)[: len(waveform)]
    peak = np.max(np.abs(wet)) + 1e-9
    roomy: Waveform = (wet * min(1.0, 0.99 / peak)).astype(np.float32)
    return roomy


def band_limit(waveform: Waveform, rate: int, *, low_hz: float, high_hz: float) -> Waveform:
    """Keep a band (Butterworth of order 8 in all); edges outside what the rate can hold are left open."""
    from scipy.signal import butter, sosfiltfilt

    edges: tuple[list[float], str] | None = None
    if high_hz < 0.49 * rate:
        edges = ([low_hz, high_hz], "bandpass") if low_hz > 0 else ([high_hz], "lowpass")
    elif low_hz > 0:
        edges = ([low_hz], "highpass")
    if edges is None:
        return waveform
    sections = butter(4, edges[0] if len(edges[0]) > 1 else edges[0][0], edges[1], fs=rate, output="sos")
    padding = min(len(waveform) - 1, 3 * 2 * len(sections))
    kept: Waveform = sosfiltfilt(sections, waveform, padlen=max(0, padding)).astype(np.float32)
    return kept


def _rerecord(waveform: Waveform, rate: int, rng: Rng) -> Waveform:
    """Play over a small loudspeaker in a room and record it: band, mild overdrive, reverb, room noise."""
    played = band_limit(waveform, rate, low_hz=150.0, high_hz=float(rng.uniform(6000, 8000)))
    level = float(np.max(np.abs(played))) + 1e-9
    driven = (np.tanh(1.5 * played / level) * level).astype(np.float32)
    roomy = add_reverb(driven, rate, rng, decay_s=float(rng.uniform(0.2, 0.5)))
    return add_noise(roomy, rng, snr_db=float(rng.uniform(20, 30)))


def _noise(snr_db: float) -> Edit:
    return lambda waveform, rate, rng: add_noise(waveform, rng, snr_db=snr_db)


def _reverb(decay_s: float) -> Edit:
    return lambda waveform, rate, rng: add_reverb(waveform, rate, rng, decay_s=decay_s)


def _band(low_hz: float, high_hz: float) -> Edit:
    return lambda waveform, rate, rng: band_limit(waveform, rate, low_hz=low_hz, high_hz=high_hz)


def _gain(decibel: float) -> Edit:
    return lambda waveform, rate, rng: (waveform * np.float32(10 ** (decibel / 20))).astype(np.float32)


for _kbit in (128, 64, 32):
    _codec(f"mp3-{_kbit}", f"MP3 at {_kbit} kbit/s.", codec="libmp3lame", ending=".mp3", bit_rate=_kbit * 1000)
for _kbit in (96, 48):
    _codec(f"aac-{_kbit}", f"AAC at {_kbit} kbit/s in MP4.", codec="aac", ending=".m4a", bit_rate=_kbit * 1000)
for _kbit in (64, 24, 12):
    _codec(
        f"opus-{_kbit}",
        f"Opus at {_kbit} kbit/s in Ogg.",
        codec="libopus",
        ending=".ogg",
        bit_rate=_kbit * 1000,
        rate_hz=_OPUS_RATE_HZ,
    )
_telephone("gsm", "GSM 06.10 full rate at 8 kHz, decoded to WAV.", "GSM610")
_telephone("mu-law", "G.711 mu-law at 8 kHz, decoded to WAV.", "ULAW")


@register("amr-12.2", media="audio", version=1, about="AMR narrow-band at 12.2 kbit/s, 8 kHz, decoded to WAV.")
def amr(file: Path, stem: Path, rng: Rng) -> Path:
    """Code as a mobile call and decode again."""
    waveform, _ = read_mono(file, rate_hz=TELEPHONE_RATE_HZ)
    coded = encode(
        waveform,
        TELEPHONE_RATE_HZ,
        stem.with_name(f"{stem.name}-coded"),
        codec="libopencore_amrnb",
        ending=".amr",
        bit_rate=12_200,
    )
    return write_pcm(read_mono(coded)[0], TELEPHONE_RATE_HZ, stem)


for _snr in (30, 20, 10):
    _edit(f"noise-{_snr}db", f"Pink noise {_snr} dB below the sound.", _noise(float(_snr)))
for _tenths in (3, 8):
    _edit(f"reverb-{_tenths / 10:g}s", f"Synthetic room, 60 dB decay in {_tenths / 10:g} s.", _reverb(_tenths / 10))
_edit("low-pass-4000", "Nothing above 4 kHz.", _band(0.0, 4000.0))
_edit("band-300-3400", "Telephone band, 300 to 3400 Hz.", _band(300.0, 3400.0))
_edit("quiet-20db", "20 dB quieter.", _gain(-20.0))
_edit("rerecord", "Played over a small loudspeaker in a room and recorded: band, overdrive, reverb, noise.", _rerecord)

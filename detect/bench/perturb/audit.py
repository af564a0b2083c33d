"""One shortcut at a time: each of these equalises a single outside property of both labels and leaves the rest.

`equal-container` keeps every pixel or sample and only rewrites the file, so a detector whose score moves under it reads
the container and not the content.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from detect.bench.perturb.base import Rng, register
from detect.bench.perturb.clip import frame_rate, map_frames, read_frames, thin_frames, write_clip
from detect.bench.perturb.equalise_audio import RATE_HZ, trim_silence
from detect.bench.perturb.pixels import open_rgb, random_crop, save_jpeg, save_png
from detect.bench.perturb.sound import encode, read_mono, resample, write_pcm
from detect.bench.perturb.video import cut_border

AUDITS = {
    "image": ("equal-container", "equal-size", "equal-quality", "clean"),
    "audio": ("equal-container", "equal-rate", "equal-codec", "equal-loudness", "equal-silence", "clean"),
    "video": ("equal-size", "equal-pace", "clean"),
}
"""What the shortcut audit runs for each medium, after the files as they are."""

_SIDE = 256


@register("equal-container", media="image", version=1, about="The same pixels in a PNG without metadata.")
def picture_container(file: Path, stem: Path, rng: Rng) -> Path:
    """Rewrite the pixels without loss."""
    return save_png(open_rgb(file), stem)


@register(
    "equal-size",
    media="image",
    version=1,
    about="A native-resolution 256 x 256 crop at random (smaller pictures as they are), PNG.",
)
def picture_size(file: Path, stem: Path, rng: Rng) -> Path:
    """Give all pictures one size without resampling."""
    return save_png(random_crop(open_rgb(file), rng, width=_SIDE, height=_SIDE), stem)


@register("equal-quality", media="image", version=1, about="The whole picture as JPEG 75-95 drawn per file, 4:2:0.")
def picture_quality(file: Path, stem: Path, rng: Rng) -> Path:
    """Give all pictures one codec and a quality that says nothing."""
    return save_jpeg(open_rgb(file), stem, quality=int(rng.integers(75, 96)))


@register("equal-container", media="audio", version=1, about="The same samples (mean of channels) in a 16-bit WAV.")
def sound_container(file: Path, stem: Path, rng: Rng) -> Path:
    """Rewrite the samples."""
    waveform, rate = read_mono(file)
    return write_pcm(waveform, rate, stem)


@register("equal-rate", media="audio", version=1, about="Resampled to 16 kHz, 16-bit WAV.")
def sound_rate(file: Path, stem: Path, rng: Rng) -> Path:
    """Give all recordings one rate and band."""
    waveform, _ = read_mono(file, rate_hz=RATE_HZ)
    return write_pcm(waveform, RATE_HZ, stem)


@register("equal-codec", media="audio", version=1, about="MP3 64-128 kbit/s drawn per file, at 16 kHz.")
def sound_codec(file: Path, stem: Path, rng: Rng) -> Path:
    """Give all recordings one codec."""
    waveform, _ = read_mono(file, rate_hz=RATE_HZ)
    bit_rate = int(rng.integers(64, 129)) * 1000
    return encode(waveform, RATE_HZ, stem, codec="libmp3lame", ending=".mp3", bit_rate=bit_rate)


@register("equal-loudness", media="audio", version=1, about="Level drawn from -30 to -20 dBFS, 16-bit WAV.")
def sound_loudness(file: Path, stem: Path, rng: Rng) -> Path:
    """Give all recordings a level that says nothing."""
    waveform, rate = read_mono(file)
    rms = float(np.sqrt(np.mean(waveform**2))) + 1e-9
    return write_pcm(waveform * np.float32(10 ** (float(rng.uniform(-30, -20)) / 20) / rms), rate, stem)


@register("equal-silence", media="audio", version=1, about="Silent edges cut, 3 s at most from a random place, WAV.")
def sound_silence(file: Path, stem: Path, rng: Rng) -> Path:
    """Take silent edges and length away; the rate stays."""
    waveform, rate = read_mono(file)
    edges = trim_silence(resample(waveform, rate, RATE_HZ)) if rate != RATE_HZ else trim_silence(waveform)
    kept = resample(edges, RATE_HZ, rate) if rate != RATE_HZ else edges
    length = 3 * rate
    start = int(rng.integers(0, max(1, len(kept) - length + 1)))
    return write_pcm(kept[start : start + length], rate, stem)


@register("equal-size", media="video", version=1, about="12 % cut from the borders, a 256 x 256 window, H.264 CRF 18.")
def clip_size(file: Path, stem: Path, rng: Rng) -> Path:
    """Give all clips one size without resampling; rate and length stay."""
    across, down = float(rng.random()), float(rng.random())

    def window(frame: Image.Image) -> Image.Image:
        inner = cut_border(frame)
        width, height = min(_SIDE, inner.width), min(_SIDE, inner.height)
        left, top = int(across * (inner.width - width)), int(down * (inner.height - height))
        return inner.crop((left, top, left + width, top + height))

    return write_clip(map_frames(read_frames(file), window), stem, fps=frame_rate(file), crf=18)


@register("equal-pace", media="video", version=1, about="8 frames a second, 3 s at most, H.264 CRF 18, silent.")
def clip_pace(file: Path, stem: Path, rng: Rng) -> Path:
    """Give all clips one frame rate, length and silence; the size stays."""
    fps = frame_rate(file)
    frames = thin_frames(read_frames(file, max_frames=int(3 * fps) + 1), fps=fps, wanted_fps=8.0)
    return write_clip(frames, stem, fps=8.0, crf=18)

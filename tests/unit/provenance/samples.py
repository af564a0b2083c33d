"""Small unsigned media in nine formats, made on the spot."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import soundfile
from PIL import Image

MIME = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "m4a": "audio/mp4",
}
FORMATS = {**{name: name for name in MIME}, "jpg": "jpeg"}
"""File suffix to the name that the sniffer gives the format."""


def make_picture(width: int = 320, height: int = 240) -> Image.Image:
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:height, 0:width]
    waves = np.sin(x / 17) * np.cos(y / 13) * 100 + 128
    pixels = np.stack([(x * 0.8) % 256, y % 256, waves], axis=-1) + rng.normal(0, 6, (height, width, 3))
    return Image.fromarray(pixels.clip(0, 255).astype("uint8"))


def make_scene(seed: int, size: int = 300) -> np.ndarray:
    """A picture with structure at several scales, different for each seed."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((size, size, 3))
    for cells in (3, 8, 20):
        tile = Image.fromarray(rng.integers(0, 255, (cells, cells, 3), dtype=np.uint8))
        pixels += np.asarray(tile.resize((size, size), Image.Resampling.BICUBIC), dtype=float) / 3
    return pixels.clip(0, 255).astype(np.uint8)


def encode_picture(picture: Image.Image, format_name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format_name, **options)
    return buffer.getvalue()


def encode_tone(format_name: str, subtype: str) -> bytes:
    """Two seconds of 440 Hz at 16 kHz."""
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000)
    buffer = io.BytesIO()
    soundfile.write(buffer, tone.astype("float32"), 16_000, format=format_name, subtype=subtype)
    return buffer.getvalue()


def encode_clip(container: str, *, has_video: bool, metadata: dict[str, str] | None = None, **options: str) -> bytes:
    """A second of noise to look at, or of a tone, in a container that FFmpeg knows."""
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options=options) as output:
        output.metadata.update(metadata or {})
        if has_video:
            stream = output.add_stream("flv" if container == "flv" else "mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
            rng = np.random.default_rng(3)
            for _ in range(10):
                pixels = rng.integers(0, 255, (120, 160, 3), dtype=np.uint8)
                output.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        else:
            stream = output.add_stream("aac", rate=16_000)
            tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
            frame = av.AudioFrame.from_ndarray(tone.astype("float32")[None], format="fltp", layout="mono")
            frame.sample_rate = 16_000
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def make_media() -> dict[str, bytes]:
    """Suffix to the bytes of an unsigned file."""
    picture = make_picture()
    return {
        "jpg": encode_picture(picture, "JPEG", quality=90),
        "png": encode_picture(picture, "PNG"),
        "webp": encode_picture(picture, "WEBP", quality=85),
        "wav": encode_tone("WAV", "PCM_16"),
        "flac": encode_tone("FLAC", "PCM_16"),
        "mp3": encode_tone("MP3", "MPEG_LAYER_III"),
        "mp4": encode_clip("mp4", has_video=True),
        "mov": encode_clip("mov", has_video=True),
        "m4a": encode_clip("ipod", has_video=False),
    }

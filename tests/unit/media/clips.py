"""Small clips made with PyAV, so that tests need no files."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


def picture(number: int, *, width: int = 128, height: int = 96) -> Pixels:
    """Return a frame of moving stripes with some noise: it has texture, and neighbours differ."""
    rows, columns = np.mgrid[0:height, 0:width]
    wave = 128 + 80 * np.sin((columns + 3 * number) / 9.0) + 30 * np.cos(rows / 5.0)
    noise = np.random.default_rng(number).normal(0, 6, (height, width, 3))
    return (wave[:, :, None] + noise).clip(0, 255).astype(np.uint8)


def make_clip(
    *,
    frames: int = 40,
    fps: float = 20.0,
    container: str = "mp4",
    codec: str = "libx264",
    size: tuple[int, int] = (128, 96),
    gop: int = 12,
    sound: bool = False,
    pixel_format: str = "yuv420p",
    draw: Callable[[int], Pixels] | None = None,
    stamps: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
    tags: dict[str, str] | None = None,
) -> bytes:
    """Return the bytes of a clip.

    Args:
        frames: How many.
        fps: Frames a second; `stamps` are in units of 1 / fps.
        container: FFmpeg's name of the format.
        codec: FFmpeg's name of the encoder.
        size: (width, height).
        gop: Frames between key frames.
        sound: Add a tone of the same length.
        pixel_format: Of the encoded frames.
        draw: Frame number to pixels; default `picture`.
        stamps: Presentation stamp of each frame, for variable rates.
        options: For the encoder.
        tags: Metadata of the container.
    """
    import av

    sink = io.BytesIO()
    with av.open(sink, "w", format=container) as out:
        out.metadata.update(tags or {})
        rate = Fraction(fps).limit_denominator(1001)
        track: Any = out.add_stream(codec, rate=rate, options=options or {})
        track.width, track.height, track.pix_fmt, track.codec_context.gop_size = *size, pixel_format, gop
        track.time_base = track.codec_context.time_base = 1 / rate
        voice: Any = out.add_stream("aac", rate=16_000, layout="mono") if sound else None
        for number in range(frames):
            pixels = draw(number) if draw else picture(number, width=size[0], height=size[1])
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts = stamps[number] if stamps else number
            frame.time_base = 1 / rate
            out.mux(track.encode(frame))
        out.mux(track.encode(None))
        if voice is not None:
            seconds = np.arange(int(16_000 * frames / fps)) / 16_000
            tone = (0.2 * np.sin(2 * np.pi * 220 * seconds)).astype(np.float32)[None]
            shaper = av.AudioResampler("fltp", "mono", 16_000, 1024)
            block = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            block.sample_rate, block.pts = 16_000, 0
            for part in [*shaper.resample(block), *shaper.resample(None)]:
                out.mux(voice.encode(part))
            out.mux(voice.encode(None))
    return sink.getvalue()

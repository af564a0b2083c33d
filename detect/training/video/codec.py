"""Encode and decode a few frames in memory: what a platform does to every clip, at the rates that occur."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from detect.types import UInt8Array

CODECS: dict[str, tuple[str, dict[str, str], tuple[int, int]]] = {
    "h264": ("libx264", {"preset": "veryfast", "threads": "1"}, (18, 36)),
    "h265": ("libx265", {"preset": "ultrafast", "x265-params": "log-level=none:pools=1:frame-threads=1"}, (22, 38)),
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "b": "0", "threads": "1"}, (26, 50)),
}
"""Name to encoder, its fast options, and the range of constant rate factors from good to social-media quality."""

SHARES = {"h264": 0.7, "h265": 0.15, "vp9": 0.15}
"""How often each is drawn: about what messengers and platforms deliver."""


@dataclass(frozen=True)
class Coding:
    """One encoding: codec name and rate factor."""

    codec: str
    crf: int


def draw_coding(rng: random.Random) -> Coding:
    """Draw one encoding; nothing here may depend on the label."""
    codec = rng.choices(list(SHARES), weights=list(SHARES.values()))[0]
    low, high = CODECS[codec][2]
    return Coding(codec, rng.randint(low, high))


def recode(frames: Sequence[UInt8Array], coding: Coding, *, fps: float = 25.0) -> list[UInt8Array]:
    """Return frames (H, W, 3) uint8 after one round through an encoder; odd sides lose a row or column."""
    import av

    height, width = (side // 2 * 2 for side in frames[0].shape[:2])
    encoder, options, _ = CODECS[coding.codec]
    sink = io.BytesIO()
    with av.open(sink, "w", format="matroska") as container:
        stream: Any = container.add_stream(
            encoder, rate=Fraction(fps).limit_denominator(1001), options={**options, "crf": str(coding.crf)}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels[:height, :width]), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    sink.seek(0)
    with av.open(sink) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]

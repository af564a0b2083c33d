"""Encode and decode a few frames in memory: what a platform does to every clip, at the rates that occur."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from detect.types import UInt8Array

_X265 = "log-level=none:pools=none:frame-threads=1:rc-lookahead=0:bframes=0"

CODECS: dict[str, tuple[str, dict[str, str], tuple[int, int]]] = {
    "h264": ("libx264", {"preset": "veryfast", "tune": "zerolatency", "threads": "1"}, (18, 36)),
    "h265": (
        "libx265",
        {"preset": "ultrafast", "x265-params": _X265},
        (22, 38),
    ),
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "threads": "1", "lag-in-frames": "0"}, (26, 50)),
}
"""Name to encoder, its fast options, and the range of constant rate factors from good to social-media quality."""

DECODERS = {"h264": "h264", "h265": "hevc", "vp9": "vp9"}

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
    writer: Any = av.CodecContext.create(encoder, "w")
    writer.width, writer.height, writer.pix_fmt = width, height, "yuv420p"
    writer.time_base = 1 / Fraction(fps).limit_denominator(1001)
    writer.options = {**options, "crf": str(coding.crf)}
    reader: Any = av.CodecContext.create(DECODERS[coding.codec], "r")
    reader.thread_count = writer.thread_count = 1  # threads for a few small frames cost more than they save
    decoded: list[UInt8Array] = []
    for number, pixels in enumerate([*frames, None]):
        frame = None
        if pixels is not None:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels[:height, :width]), format="rgb24")
            frame = picture.reformat(format="yuv420p", threads=1)
            frame.pts = number
        for packet in writer.encode(frame):
            decoded += [_to_rgb(each) for each in reader.decode(packet)]
    return [*decoded, *(_to_rgb(each) for each in reader.decode(None))]


def _to_rgb(frame: Any) -> UInt8Array:
    pixels: UInt8Array = frame.reformat(format="rgb24", threads=1).to_ndarray()
    return pixels

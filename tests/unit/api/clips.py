"""A small clip, and the Report of one with frames, two faces and sound."""

from __future__ import annotations

import base64
import io

import av
import numpy as np
from PIL import Image

from detect.types import Evidence, Finding, MediaFacts, MediaKind, Report, Span, Status, Verdict, Where

DURATION_S = 6.0


def make_clip(seconds: float = DURATION_S, *, width: int = 96, height: int = 64) -> bytes:
    """Return an MP4 of moving noise, 5 frames a second."""
    sink = io.BytesIO()
    rng = np.random.default_rng(0)
    with av.open(sink, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        base = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
        for number in range(int(5 * seconds)):
            frame = av.VideoFrame.from_ndarray(np.roll(base, 3 * number, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return sink.getvalue()


def clip_report() -> Report:
    """Return a Report of a clip: frames calm, the second face flagged from second 2 to 4, the sound between."""
    frames = [{"time_s": float(second), "p_synthetic": 0.1 + 0.02 * second} for second in range(6)]
    tracks = [
        {"face": 0, "views": 6, "p_synthetic": 0.1, "thumbnail": thumbnail(90), "samples": frames},
        {
            "face": 1,
            "views": 4,
            "p_synthetic": 0.9,
            "thumbnail": thumbnail(180),
            "samples": [{"time_s": 1.5 + second, "p_synthetic": 0.9} for second in range(1, 3)],
        },
    ]
    windows = [{"start_s": start, "end_s": start + 2.0, "p_synthetic": 0.4} for start in (0.0, 1.0, 2.0)]
    return Report(
        verdict=Verdict.LIKELY_MANIPULATED,
        authenticity=0.2,
        media=MediaFacts(
            name="clip.mp4",
            sha256="34" * 32,
            bytes=90_000,
            kind=MediaKind.VIDEO,
            format="mp4",
            mime="video/mp4",
            width=96,
            height=64,
            duration_s=DURATION_S,
            fps=5.0,
            codec="mpeg4",
        ),
        evidence=(
            Evidence("video.frames", Status.SCORED, -0.5, details={"samples": frames, "container": {"rate": 5}}),
            Evidence(
                "face.swap",
                Status.SCORED,
                1.9,
                finding=Finding.MANIPULATED,
                where=Where(spans=(Span(2.0, 4.0, 0.9, "face 2"),)),
                details={"tracks": tracks},
            ),
            Evidence("audio.speech", Status.SCORED, 0.0, details={"timeline": windows}),
            Evidence("video.motion", Status.UNAVAILABLE),
        ),
        path="clip.mp4",
    )


def thumbnail(grey: int) -> str:
    """Return a small picture as the data URI that face evidence carries."""
    sink = io.BytesIO()
    Image.new("RGB", (24, 24), (grey, grey, 120)).save(sink, "JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(sink.getvalue()).decode()

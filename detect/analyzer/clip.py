"""A clip through the networks, a few frames at a time: memory does not grow with length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from detect.analyzer.prepare import Prepared
from detect.analyzer.settings import AnalyzerSettings
from detect.errors import MediaError, MediaTooShortError
from detect.fusion import reason
from detect.media import MediaSource
from detect.media.video import SampledFrame, open_video
from detect.types import Evidence, Finding, Status

if TYPE_CHECKING:
    from detect.evidence.faces import FaceExaminer
    from detect.evidence.frames import FrameExaminer

BATCH_PIXELS = 8_000_000
"""Pixels of frames held at once: nine frames of 720p, one of 4K and more."""


def watch_clip(
    source: MediaSource,
    prepared: Prepared,
    settings: AnalyzerSettings,
    frames: FrameExaminer | None,
    faces: FaceExaminer | Evidence,
) -> None:
    """Judge the frames and faces of a clip and add `video.frames` and `face.swap` Evidence.

    Args:
        source: The open file.
        prepared: Receives evidence and facts.
        settings: Every knob.
        frames: The frame model; None when the models folder has none.
        faces: The face model, or the Evidence that says why there is none.

    Raises:
        MediaError: The frames cannot be read; a clip without a video track only leaves them out.
    """
    from detect.evidence.faces import FaceTally
    from detect.evidence.frames import FrameTally

    seen, looked = FrameTally(), FaceTally()
    try:
        stream = open_video(source, dense=settings.dense, limits=settings.limits)
        for batch in in_batches(stream):
            pairs = [(frame.time_s, frame.pixels_rgb) for frame in batch]
            if frames is not None:
                frames.add(seen, pairs)
            if not isinstance(faces, Evidence):
                faces.add(looked, pairs)
    except MediaTooShortError:
        prepared.evidence.append(_left_out("frames_none"))
        return
    prepared.facts = stream.facts
    container = {"container": stream.container}
    found = _left_out("no_video_model") if frames is None else frames.finish(seen, details=container)
    prepared.evidence[:0] = [found, faces if isinstance(faces, Evidence) else faces.finish(looked)]


def in_batches(frames: Iterable[SampledFrame]) -> Iterator[list[SampledFrame]]:
    """Yield frames in lists of at most `BATCH_PIXELS` pixels, at least one frame each."""
    batch: list[SampledFrame] = []
    held = 0
    for frame in frames:
        size = frame.pixels_rgb.shape[0] * frame.pixels_rgb.shape[1]
        if batch and held + size > BATCH_PIXELS:
            yield batch
            batch, held = [], 0
        batch.append(frame)
        held += size
    if batch:
        yield batch


def failed_frames(error: MediaError) -> Evidence:
    """Return the Evidence of frames that do not decode in a file whose sound does."""
    return Evidence(
        "video.frames", Status.FAILED, reasons=(reason("frames_not_decoded"),), details={"error": error.code}
    )


def no_faces(code: str) -> Evidence:
    """Return the Evidence that stands for a face model that is not there."""
    return Evidence("face.swap", Status.UNAVAILABLE, finding=Finding.MANIPULATED, reasons=(reason(code),))


def _left_out(code: str) -> Evidence:
    status = Status.UNAVAILABLE if code == "no_video_model" else Status.NOT_APPLICABLE
    return Evidence("video.frames", status, reasons=(reason(code),))

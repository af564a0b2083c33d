"""Outside facts of a file: what a detector could judge by without looking at the content."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

_IMAGE_KINDS = frozenset({"image", "face"})
_AUDIO_KINDS = frozenset({"audio", "music"})


def medium_of(kind: str) -> str:
    """Return `image`, `audio` or `video`: the family of perturbations and features for a manifest's kind."""
    if kind in _IMAGE_KINDS:
        return "image"
    if kind in _AUDIO_KINDS:
        return "audio"
    return kind


@dataclass(frozen=True)
class FileFacts:
    """Size, format and extent of a file; None where it does not apply or could not be read."""

    bytes: int
    format: str = ""
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    sample_rate_hz: int | None = None
    fps: float | None = None


def probe(file: Path, *, medium: str) -> FileFacts:
    """Return the outside facts of a file without decoding its content; unreadable parts stay None."""
    size = file.stat().st_size
    try:
        if medium == "image":
            return _probe_image(file, size)
        return _probe_stream(file, size)
    except Exception:  # the row shall exist whatever the file is; the detector says what is wrong with it
        return FileFacts(bytes=size, format=file.suffix.lstrip(".").lower())


def _probe_image(file: Path, size: int) -> FileFacts:
    from PIL import Image

    with Image.open(file) as picture:
        return FileFacts(bytes=size, format=(picture.format or "").lower(), width=picture.width, height=picture.height)


def _probe_stream(file: Path, size: int) -> FileFacts:
    import av

    with av.open(str(file)) as container:
        seconds = None if container.duration is None else container.duration / 1e6
        video = container.streams.video[0] if container.streams.video else None
        audio = container.streams.audio[0] if container.streams.audio else None
        rate = float(video.average_rate) if video is not None and video.average_rate else None
        return FileFacts(
            bytes=size,
            format=container.format.name.split(",")[0],
            width=video.width if video is not None else None,
            height=video.height if video is not None else None,
            duration_s=seconds if seconds is None or math.isfinite(seconds) else None,
            sample_rate_hz=audio.rate if audio is not None else None,
            fps=rate,
        )

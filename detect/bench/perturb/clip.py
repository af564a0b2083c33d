"""Reading and writing of short video clips for perturbations: RGB frames, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

from PIL import Image

MAX_FRAMES = 240
"""Longest stretch that is re-encoded: 8-10 s at usual rates; a benchmark judges clips, not films."""

Frames = Iterable[Image.Image]


def _av() -> Any:
    """Return PyAV, untyped: its stubs give unions of all streams where the kind is known."""
    import av

    return av


def frame_rate(file: Path) -> float:
    """Return the frames a second that the file states, 25 when it states none."""
    av = _av()

    with av.open(str(file)) as container:
        stream = _video_stream(container, file)
        rate = stream.average_rate or stream.guessed_rate
        return float(rate) if rate else 25.0


def read_frames(file: Path, *, max_frames: int = MAX_FRAMES) -> Iterator[Image.Image]:
    """Yield RGB pictures in order.

    Raises:
        ValueError: No video track.
    """
    av = _av()

    with av.open(str(file)) as container:
        stream = _video_stream(container, file)
        stream.thread_type = "AUTO"
        for index, frame in enumerate(container.decode(stream)):
            if index >= max_frames:
                return
            yield frame.to_image()


def _video_stream(container: Any, file: Path) -> Any:
    streams = container.streams.video
    if not streams:
        raise ValueError(f"{file.name} has no video track")
    return streams[0]


def write_clip(
    frames: Frames,
    stem: Path,
    *,
    fps: float,
    codec: str = "libx264",
    crf: int = 23,
    sound_from: Path | None = None,
    max_sound_s: float | None = None,
) -> Path:
    """Encode frames as `<stem>.mp4` and return it.

    Args:
        frames: RGB pictures of one size; odd sizes lose a row or column, as 4:2:0 needs even ones.
        stem: Path of the output without ending.
        fps: Frames a second of the output.
        codec: `libx264`, `libx265` or `libsvtav1`.
        crf: Constant rate factor of that codec; larger = worse.
        sound_from: Copy the sound of this file, as AAC 128 kbit/s; None = silent.
        max_sound_s: Seconds of sound that are copied.

    Raises:
        ValueError: No frames.
    """
    av = _av()

    target = stem.with_suffix(".mp4")
    remaining = iter(frames)
    first = next(remaining, None)
    if first is None:
        raise ValueError("no frames to encode")
    width, height = first.width // 2 * 2, first.height // 2 * 2
    with av.open(str(target), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001), options=_options(codec, crf))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        sound = _add_sound(container, sound_from)
        for picture in chain([first], remaining):
            frame = av.VideoFrame.from_image(picture.crop((0, 0, width, height)))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None and sound_from is not None:
            _copy_sound(container, sound, sound_from, max_sound_s)
    return target


def _options(codec: str, crf: int) -> dict[str, str]:
    """Return encoder options: fast presets, one thread where output would depend on the number of cores."""
    if codec == "libx265":
        return {"crf": str(crf), "preset": "fast", "x265-params": "log-level=none:pools=1"}
    if codec == "libsvtav1":
        return {"crf": str(crf), "preset": "9", "svtav1-params": "lp=1"}
    return {"crf": str(crf), "preset": "fast", "threads": "1"}


def _add_sound(container: Any, sound_from: Path | None) -> Any:
    av = _av()

    if sound_from is None:
        return None
    with av.open(str(sound_from)) as source:
        if not source.streams.audio:
            return None
        rate = int(source.streams.audio[0].rate)
    stream = container.add_stream("aac", rate=rate if rate in (44_100, 48_000) else 48_000)
    stream.bit_rate = 128_000
    return stream


def _copy_sound(container: Any, stream: Any, sound_from: Path, max_sound_s: float | None) -> None:
    av = _av()

    context = stream.codec_context
    resampler = av.AudioResampler(
        format=context.format.name, layout=context.layout, rate=context.rate, frame_size=context.frame_size
    )
    with av.open(str(sound_from)) as source:
        for frame in source.decode(audio=0):
            if max_sound_s is not None and frame.time is not None and frame.time > max_sound_s:
                break
            for part in resampler.resample(frame):
                container.mux(stream.encode(part))
    for part in resampler.resample(None):
        container.mux(stream.encode(part))
    container.mux(stream.encode(None))


def map_frames(frames: Frames, edit: Callable[[Image.Image], Image.Image]) -> Iterator[Image.Image]:
    """Yield the edited frames."""
    return (edit(frame) for frame in frames)


def thin_frames(frames: Frames, *, fps: float, wanted_fps: float) -> Iterator[Image.Image]:
    """Yield the frames that a lower rate keeps; a rate at or above the present one keeps all."""
    step = max(1.0, fps / wanted_fps)
    due = 0.0
    for index, frame in enumerate(frames):
        if index >= due:
            yield frame
            due += step

"""A clip's bytes to sampled frames, decoded in a guarded child process, in constant memory whatever its length."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from detect.errors import CorruptMediaError, MediaTooLargeError, UnsupportedMediaError
from detect.media.limits import DEFAULT_LIMITS, Limits
from detect.media.sandbox import SANDBOX
from detect.media.source import MediaSource
from detect.media.wire import Payload
from detect.text import clean_text
from detect.types import MediaFacts, MediaKind, Reason, UInt8Array

READER = "detect.media.frames:read_video"
"""What runs in the child; `SANDBOX.warm(READER)` starts one early."""

MAX_DURATION_S = 12 * 3600.0
"""Longest clip that is judged."""

TEXTS = {
    "variable_frame_rate": "The frame rate varies.",
    "timestamps_made": "The time stamps are missing or broken; times were made from the frame rate.",
    "cut_short": "The file breaks off; what came before was judged.",
    "broken_packets": "Some frames do not decode; the rest was judged.",
    "resolution_changes": "The size of the frames changes within the clip.",
    "hdr_to_sdr": "High dynamic range was reduced to what an ordinary screen shows.",
    "turned_upright": "The frames were turned upright as the file asks.",
    "interlaced": "The frames are interlaced.",
    "sampled_in_runs": "Only short runs of frames spread over the clip were decoded.",
}


@dataclass(frozen=True)
class SampledFrame:
    """One frame: seconds from the clip's start, why it was chosen (`target`, `scene`, `last`), upright sRGB pixels."""

    time_s: float
    why: str
    is_key: bool
    pixels_rgb: UInt8Array


class VideoStream:
    """An open clip: facts at once, frames one at a time. Iterate once; `notes` are complete afterwards.

    Attributes:
        facts: Size, duration, rate, codec and notes so far.
        container: Further facts as the file states them, JSON-ready, strings cleaned.
    """

    def __init__(self, source: MediaSource, items: Iterator[Payload]) -> None:
        self._items = items
        stated = _first_facts(items)
        if float(stated["duration_s"]) > MAX_DURATION_S:
            raise MediaTooLargeError(f"{source.name}: longer than {MAX_DURATION_S / 3600:.0f} hours; cut it first")
        codes = [
            code
            for code, is_set in (
                ("variable_frame_rate", stated["is_variable_rate"]),
                ("timestamps_made", stated["times_made"]),
                ("cut_short", stated["is_cut_short"]),
                ("sampled_in_runs", not stated["is_full"]),
            )
            if is_set
        ]
        self.container: dict[str, Any] = {
            key: stated[key]
            for key in (
                "container", "pixel_format", "bit_rate", "frames", "key_frames", "stated_frames", "stated_fps",
                "audio_tracks", "video_tracks", "is_full", "is_dense",
            )
        }  # fmt: skip
        self.container["tags"] = {
            clean_text(str(key), max_characters=40): clean_text(str(value), max_characters=200)
            for key, value in stated["tags"].items()
        }
        self.facts: MediaFacts = replace(
            source.facts(),
            kind=MediaKind.VIDEO,
            width=int(stated["width"]),
            height=int(stated["height"]),
            duration_s=float(stated["duration_s"]),
            fps=float(stated["fps"]),
            codec=str(stated["codec"]),
            notes=(*source.notes, *(Reason(code, TEXTS[code]) for code in codes)),
        )

    def __iter__(self) -> Iterator[SampledFrame]:
        """Yield the sampled frames in order of time.

        Raises:
            MediaError: In the middle of the clip; see `open_video`.
        """
        for item in self._items:
            if "pixels_rgb" in item.arrays:
                facts = item.facts
                yield SampledFrame(
                    float(facts["time_s"]), str(facts["why"]), bool(facts["is_key"]), item.arrays["pixels_rgb"]
                )
            elif "decoded" in item.facts:
                self._close_notes(item.facts)

    def _close_notes(self, facts: Mapping[str, Any]) -> None:
        codes = list(facts["notes"])
        if facts["broken"]:
            codes.append("broken_packets")
        self.container["frames_decoded"] = int(facts["decoded"])
        self.container["packets_broken"] = int(facts["broken"])
        self.facts = replace(self.facts, notes=(*self.facts.notes, *(Reason(code, TEXTS[code]) for code in codes)))


def open_video(source: MediaSource, *, dense: bool = False, limits: Limits = DEFAULT_LIMITS) -> VideoStream:
    """Open a clip and return its facts and sampled frames.

    Args:
        source: An open source of kind `video`; it must stay open until the frames are read.
        dense: Look at four frames a second of the whole clip, whatever that costs.
        limits: Seconds and memory of the child, between two frames.

    Raises:
        UnsupportedMediaError: Not a clip, encrypted, or a codec or container that is not read here.
        CorruptMediaError: The file does not open, or no frame decodes.
        MediaTooLargeError: Too long, frames too large, or over `max_memory_bytes`.
        MediaTooShortError: No video track, or frames too small.
        DecodeTimeoutError: Over `decode_timeout_s` or `decode_cpu_s` between two frames.

    Example:
        >>> with open_source("clip.mp4") as source:              # doctest: +SKIP
        ...     for frame in open_video(source):
        ...         print(frame.time_s, frame.pixels_rgb.shape)
    """
    if source.kind is not MediaKind.VIDEO:
        raise UnsupportedMediaError(f"{source.name} is {source.format}, not a clip")
    arguments = {
        "path": os.fspath(source.path), "media_format": source.format, "name": source.name, "dense": dense,
    }  # fmt: skip
    return VideoStream(source, SANDBOX.stream(READER, arguments, limits=limits))


def _first_facts(items: Iterator[Payload]) -> Mapping[str, Any]:
    """Return the facts that come before the frames, passing over signs of life."""
    for item in items:
        if "facts" in item.facts:
            facts: Mapping[str, Any] = item.facts["facts"]
            return facts
    raise CorruptMediaError("the decoder said nothing about the clip; the file is damaged")

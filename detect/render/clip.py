"""A clip for pages: one time axis with the frames, each face and the sound under one scrubber, and a table twin."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from detect.render import pictures, words
from detect.render.places import is_flagged
from detect.types import Evidence, Report, Status, UInt8Array

MOST_ROWS = 120
"""Rows of the table and columns of the chart; longer clips are shown in wider steps."""

STILL_WIDTH = 320
"""Width in pixels of the stills beside the scrubber."""

_THUMBNAIL = re.compile(r"data:image/jpeg;base64,[A-Za-z0-9+/=]*\Z")


@dataclass(frozen=True)
class Cell:
    """One step of a lane: its share of the axis, and the score; None where nothing was judged."""

    start: float
    width: float
    p_synthetic: float | None

    @property
    def is_flagged(self) -> bool:
        """Whether it was judged and leans towards made by a machine."""
        return self.p_synthetic is not None and is_flagged(self.p_synthetic)


@dataclass(frozen=True)
class Lane:
    """One row of the chart: frames, a face, or the sound."""

    title: str
    cells: tuple[Cell, ...]
    thumbnail: Markup | None = None


@dataclass(frozen=True)
class Still:
    """One frame shown beside the scrubber: its moment in seconds, in words, and its picture."""

    time_s: float
    clock: str
    uri: Markup


@dataclass(frozen=True)
class Row:
    """One step in the table twin: its bounds in words, and one score a lane."""

    start_clock: str
    end_clock: str
    scores: tuple[float | None, ...]


@dataclass(frozen=True)
class ClipView:
    """Everything that a page shows of a clip's time axis."""

    duration_s: float
    step_s: float
    lanes: tuple[Lane, ...]
    rows: tuple[Row, ...]
    stills: tuple[Still, ...]
    facts: tuple[tuple[str, str], ...]


def build_clip(report: Report, stills: Sequence[tuple[float, UInt8Array]] = ()) -> ClipView | None:
    """Return the time axis of a clip; None when nothing in it was judged over time.

    Args:
        report: The Report.
        stills: Frames to show beside the scrubber, (seconds, (H, W, 3) uint8) each.
    """
    frames = _scored(report, "video.frames")
    faces, sound = _scored(report, "face.swap"), _scored(report, "audio.speech")
    tracks = faces.details.get("tracks", []) if faces is not None else []
    if report.media is None or not report.media.duration_s or not (frames or tracks):
        return None
    duration_s = float(report.media.duration_s)
    step_s = max(1.0, duration_s / MOST_ROWS)
    step_s = float(-(-step_s // 1))
    edges = [index * step_s for index in range(int(-(-duration_s // step_s)))]
    lanes: list[Lane] = []
    if frames is not None:
        lanes.append(_lane("Frames", _points(frames.details.get("samples", [])), edges, step_s, duration_s))
    for track in tracks[:12]:
        lane = _lane(f"Face {int(track['face']) + 1}", _points(track["samples"]), edges, step_s, duration_s)
        lanes.append(Lane(lane.title, lane.cells, _thumbnail(track.get("thumbnail", ""))))
    if sound is not None:
        lanes.append(_lane("Sound", _windows(sound.details.get("timeline", [])), edges, step_s, duration_s))
    rows = tuple(
        Row(
            words.clock(start),
            words.clock(min(start + step_s, duration_s)),
            tuple(lane.cells[number].p_synthetic for lane in lanes),
        )
        for number, start in enumerate(edges)
    )
    shown = tuple(Still(round(moment, 2), words.clock(moment), _still_uri(pixels)) for moment, pixels in stills)
    return ClipView(duration_s, step_s, tuple(lanes), rows, shown, _facts(report))


def _still_uri(pixels: UInt8Array) -> Markup:
    return Markup(pictures.jpeg_uri(pictures.shrink(pixels, max_side=STILL_WIDTH)))  # noqa: S704 - base64 of our own


def _scored(report: Report, source: str) -> Evidence | None:
    found = report.find(source)
    return found if found is not None and found.status is Status.SCORED else None


def _points(samples: Sequence[Mapping[str, Any]]) -> list[tuple[float, float, float]]:
    """Return (start, end, score) of moments."""
    return [(float(item["time_s"]), float(item["time_s"]), float(item["p_synthetic"])) for item in samples]


def _windows(samples: Sequence[Mapping[str, Any]]) -> list[tuple[float, float, float]]:
    """Return (start, end, score) of stretches."""
    return [(float(item["start_s"]), float(item["end_s"]), float(item["p_synthetic"])) for item in samples]


def _lane(
    title: str, samples: Sequence[tuple[float, float, float]], edges: Sequence[float], step_s: float, duration_s: float
) -> Lane:
    """Average what falls into each step."""
    cells = []
    for start in edges:
        inside = [
            score
            for first, last, score in samples
            if first < start + step_s and (last > start or last == first >= start)
        ]
        mean = sum(inside) / len(inside) if inside else None
        cells.append(Cell(start / duration_s, min(step_s, duration_s - start) / duration_s, mean))
    return Lane(title, tuple(cells))


def _thumbnail(uri: str) -> Markup | None:
    """Return a thumbnail that is exactly a JPEG data URI; anything else a changed JSON could hold is left out."""
    return Markup(uri) if _THUMBNAIL.match(uri) and len(uri) > 40 else None  # noqa: S704 - matched above


def _facts(report: Report) -> tuple[tuple[str, str], ...]:
    """Return what the container states, as lines."""
    found = report.find("video.frames")
    container = dict(found.details.get("container", {})) if found is not None else {}
    tags = container.pop("tags", {})
    lines = [(str(key).replace("_", " "), str(value)) for key, value in container.items()]
    return (*lines, *((f"tag {key}", str(value)) for key, value in tags.items()))

"""What a Report says over time: stretches that stand out, and a score for each second of frames, faces and sound."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from api.schemas import LaneBody, ScoreBody, SpansBody, TimelineBody
from detect.serialize import to_plain
from detect.types import Evidence, Report, Status

MAX_SECONDS = 12 * 3600
"""Longer media get wider steps than a second."""


def timeline_of(report: Report) -> TimelineBody:
    """Return the timeline of a Report; empty for a still picture."""
    duration_s = report.media.duration_s if report.media else None
    step_s = float(max(1, math.ceil((duration_s or 0.0) / MAX_SECONDS)))
    lanes = [] if duration_s is None else list(_lanes(report, duration_s, step_s))
    return TimelineBody(
        duration_s=duration_s,
        step_s=step_s,
        lanes=lanes,
        evidence=[
            SpansBody(source=item.source, spans=to_plain(item.where.spans))
            for item in report.evidence
            if item.where.spans
        ],
    )


def _lanes(report: Report, duration_s: float, step_s: float) -> Iterator[LaneBody]:
    for item in report.evidence:
        if item.status is not Status.SCORED:
            continue
        for face, samples in _samples(item):
            scores = _steps(samples, duration_s, step_s)
            if any(score.p_synthetic is not None for score in scores):
                yield LaneBody(source=item.source, face=face, scores=scores)


def _samples(item: Evidence) -> Iterator[tuple[int | None, Iterable[Mapping[str, Any]]]]:
    """Yield what an evidence was scored on: moments (`time_s`) or windows (`start_s`, `end_s`), face by face."""
    for name in ("samples", "timeline"):
        if isinstance(found := item.details.get(name), list | tuple):
            yield None, found
    for track in item.details.get("tracks", ()):
        yield int(track["face"]) + 1, track["samples"]


def _steps(samples: Iterable[Mapping[str, Any]], duration_s: float, step_s: float) -> list[ScoreBody]:
    """Return the mean of what falls into each step; None where nothing was judged."""
    count = max(1, math.ceil(duration_s / step_s))
    sums, counts = [0.0] * count, [0] * count
    for sample in samples:
        if (p_synthetic := sample.get("p_synthetic")) is None:
            continue
        start = float(sample.get("start_s", sample.get("time_s", 0.0)))
        end = float(sample.get("end_s", start))
        first = min(count - 1, max(0, int(start // step_s)))
        last = min(count - 1, max(first, math.ceil(end / step_s) - 1))
        for index in range(first, last + 1):
            sums[index] += float(p_synthetic)
            counts[index] += 1
    return [
        ScoreBody(
            start_s=index * step_s,
            end_s=min((index + 1) * step_s, duration_s),
            p_synthetic=sums[index] / counts[index] if counts[index] else None,
        )
        for index in range(count)
    ]

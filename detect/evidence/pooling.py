"""From scores of sampled moments to one score of a clip: its mean, and the one stretch that stands out of it.

A mean alone hides two bad seconds in a long clip; a maximum accuses every long clip, because the largest of many noisy
scores is always high. So two questions are asked apart. `whole`: does the clip as a whole lean? `contrast`: is there a
stretch that differs from the rest by more than authentic clips do, given how many samples it rests on? The answer to
the second is calibrated on authentic clips of minutes, so that length alone never accuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from detect.fusion import sigmoid
from detect.types import Span

Float64Array = npt.NDArray[np.float64]

SHORTEST_S = 1.5
"""Shortest stretch that is named, in seconds."""

LARGEST_SHARE = 0.5
"""A stretch longer than this share of the clip is no insert: then the rest is."""

LEAST_SAMPLES = 2
"""A stretch rests on at least this many samples: one frame alone may be a caption or a blur."""

LEANING_LLR = 0.7
"""Moments within this of 0 are undecided: a factor of two."""

MOST_COUNTED = 8.0
"""Independent samples beyond this make a stretch no clearer: what a scene shows is one thing however long it lasts."""

MEMORY_S = 1.0
"""Samples closer than this say nearly the same thing and count as one."""

STEADY = 0.2
"""Spread (logits) that the rest of a clip is taken to have at least: less would trust a short clip's calm too much.
Chosen among 0.15 to 1 on inserts made from held-out training clips (`inserts_of_3_s` in models/video/config.json)."""

SCENE_SAMPLES = 3
"""The spread of the rest is that of means over so many samples: of its scenes, not of single frames."""


@dataclass(frozen=True)
class Contrast:
    """The strongest stretch: bounds in seconds, mean logit inside and outside, and how clear the contrast is.

    `clarity` is how far the inside lies above the rest and above the neutral logit, times the root of the effective
    number of independent samples inside (at most `MOST_COUNTED`), in units of the spread of the rest's scenes: in a
    clip of one scene a small step is telling, among scenes that differ anyway it is not.
    """

    start_s: float
    end_s: float
    inside: float
    outside: float
    clarity: float


@dataclass(frozen=True)
class ContrastTable:
    """Clarity to a likelihood ratio, from made inserts and authentic clips of minutes."""

    clarity: tuple[float, ...] = ()
    llr: tuple[float, ...] = ()

    @classmethod
    def from_config(cls, rows: Sequence[Mapping[str, Any]]) -> ContrastTable:
        """Read the rows of a calibration block's `contrast` table."""
        ordered = sorted(rows, key=lambda row: float(row["clarity"]))
        return cls(tuple(float(row["clarity"]) for row in ordered), tuple(float(row["llr"]) for row in ordered))

    def to_llr(self, clarity: float) -> float:
        """Return the ratio of a clarity; below the table -inf, so that it never counts."""
        if not self.clarity or clarity < self.clarity[0]:
            return float("-inf")
        return float(np.interp(clarity, self.clarity, self.llr))


def pool_whole(logits: Float64Array) -> float:
    """Return the logit of a clip as a whole: the mean of its samples without the outer tenths."""
    ordered = np.sort(logits)
    cut = len(ordered) // 10
    return float(ordered[cut : len(ordered) - cut].mean())


def find_contrast(times_s: Float64Array, logits: Float64Array, *, neutral: float = 0.0) -> Contrast | None:
    """Return the stretch that stands out upwards; None when there is too little to compare.

    `neutral` is the logit that speaks for neither side.

    All pairs of bounds are compared with cumulated sums: a default pass has at most 120 samples, and a dense one is
    thinned to 600.
    """
    step = max(1, len(times_s) // 600)
    times, values = times_s[::step], logits[::step]
    count = len(times)
    if count < 8 or times[-1] - times[0] < 3 * SHORTEST_S:
        return None
    edges = sample_edges(times)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    starts, ends = np.triu_indices(count + 1, LEAST_SAMPLES)
    length, seconds = ends - starts, edges[ends] - edges[starts]
    fits = (seconds >= SHORTEST_S) & (seconds <= LARGEST_SHARE * (edges[-1] - edges[0])) & (count - length >= 4)
    if not fits.any():
        return None
    starts, ends, length, seconds = starts[fits], ends[fits], length[fits], seconds[fits]
    inside = (sums[ends] - sums[starts]) / length
    outside = (sums[-1] - sums[ends] + sums[starts]) / (count - length)
    independent = np.minimum(np.minimum(length, seconds / MEMORY_S), MOST_COUNTED)
    clarity = (inside - np.maximum(outside, neutral)) * np.sqrt(independent)
    best = int(np.argmax(clarity))
    rest = np.delete(values, np.arange(starts[best], ends[best]))
    scenes = np.convolve(rest, np.full(SCENE_SAMPLES, 1 / SCENE_SAMPLES), "valid")
    return Contrast(
        float(edges[starts[best]]),
        float(edges[ends[best]]),
        float(inside[best]),
        float(outside[best]),
        float(clarity[best]) / float(np.hypot(scenes.std(), STEADY)),
    )


def sample_edges(times_s: Float64Array) -> Float64Array:
    """Return the n + 1 borders between the stretches that n samples stand for, from 0 on."""
    if len(times_s) == 1:
        return np.array([0.0, 2 * float(times_s[0]) + 1e-3])
    middles = (times_s[1:] + times_s[:-1]) / 2
    return np.concatenate([[0.0], middles, [2 * times_s[-1] - middles[-1]]])


def shared_part(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Return the intersection over union of two stretches (start, end) in seconds, in [0, 1]."""
    inside = max(0.0, min(first[1], second[1]) - max(first[0], second[0]))
    union = first[1] - first[0] + second[1] - second[0] - inside
    return inside / union if union > 0 else 0.0


def join_moments(times_s: Float64Array, ratios: Float64Array) -> tuple[Span, ...]:
    """Join neighbouring moments of one leaning to spans, each with the mean of its probabilities."""
    edges = sample_edges(times_s)
    side = np.where(ratios > LEANING_LLR, 1, np.where(ratios < -LEANING_LLR, -1, 0))
    borders = [0, *(np.flatnonzero(np.diff(side)) + 1).tolist(), len(side)]
    labels = {1: "synthetic", 0: "undecided", -1: "authentic"}
    return tuple(
        Span(
            round(float(edges[first]), 2),
            round(float(edges[last]), 2),
            round(float(np.mean([sigmoid(float(ratio)) for ratio in ratios[first:last]])), 4),
            labels[int(side[first])],
        )
        for first, last in pairwise(borders)
        if last > first
    )


def standard_error(times_s: Float64Array, logits: Float64Array) -> float:
    """Return the standard error of the mean logit; samples closer than `MEMORY_S` count as one."""
    if len(logits) < 2:
        return 1.0
    independent = max(1.0, min(float(len(logits)), float(times_s[-1] - times_s[0]) / MEMORY_S))
    return float(logits.std(ddof=1) / np.sqrt(independent))


def by_second(times_s: Float64Array, ratios: Float64Array, *, most_rows: int = 600) -> list[dict[str, float]]:
    """Return the mean probability of each second that holds samples; seconds are joined when there are too many."""
    width = max(1, int(np.ceil((times_s[-1] + 1e-6) / most_rows)))
    cells: dict[int, list[float]] = {}
    for moment, ratio in zip(times_s, ratios, strict=True):
        cells.setdefault(int(moment // width), []).append(sigmoid(float(ratio)))
    return [
        {
            "start_s": float(cell * width),
            "end_s": float((cell + 1) * width),
            "p_synthetic": round(float(np.mean(values)), 4),
            "samples": float(len(values)),
        }
        for cell, values in sorted(cells.items())
    ]

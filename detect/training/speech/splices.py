"""How clear a contrast inside an untouched recording can be by chance: the table behind `likely_manipulated`.

Untouched recordings are put together from held-out clips of one real source, so that they hold the changes of speaker,
distance and sentence that real recordings hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from detect.evidence.pooling import shared_part
from detect.evidence.splice import find_contrast, timeline
from detect.evidence.windows import Window
from detect.media.pcm import SAMPLE_RATE_HZ
from detect.networks.audio.stretches import STRETCH_S
from detect.training.speech.clips import Clip

Float64Array = npt.NDArray[np.float64]

MADE = 3_000
CLIPS_A_RECORDING = (2, 6)
SHARE = 0.5
"""Share of a budget that splices may use up; whole recordings keep within theirs by their own thresholds."""


def splice_table(
    recordings: MadeRecordings, thresholds: Sequence[dict[str, Any]], *, seed: int
) -> tuple[list[dict[str, float]], dict[str, Any]]:
    """Return rows of (clarity, llr), and what they would find: each row is the llr that accuses at a budget, at the
    clarity that the budget's share of untouched recordings reaches.

    Args:
        recordings: Clips with their held-out logits.
        thresholds: Rows of the calibration block.
        seed: Of the made recordings.
    """
    clarity = np.array([made.clarity for made in recordings.make(seed=seed)])
    rows: list[dict[str, float]] = []
    for row in sorted(thresholds, key=lambda row: float(row["max_false_positive_rate"])):
        budget, llr = float(row["max_false_positive_rate"]), float(row["synthetic_llr"]) + 1e-3
        is_looser = not rows or llr < rows[-1]["llr"]  # equal thresholds: only the strictest clarity may reach them
        if budget * SHARE * len(clarity) >= 5 and is_looser:
            rows.append({"clarity": round(float(np.quantile(clarity, 1 - budget * SHARE)), 4), "llr": round(llr, 4)})
    return rows, _summarise(recordings, clarity, seed=seed + 1)


def _summarise(recordings: MadeRecordings, untouched: Float64Array, *, seed: int) -> dict[str, Any]:
    """Return how many made splices are found where 1 % and 2 % of untouched recordings are accused, and where."""
    spliced = recordings.make(seed=seed, insert=True)
    right = np.array([made.overlap >= 0.5 for made in spliced])
    report: dict[str, Any] = {"untouched": len(untouched), "spliced": len(spliced)}
    if spliced:
        report["span_right"] = round(float(right.mean()), 4)
        for rate in (0.01, 0.02):
            named = np.array([made.clarity for made in spliced]) > np.quantile(untouched, 1 - rate)
            report[f"found_at_{rate:g}"] = round(float((named & right).mean()), 4)
    return report


@dataclass(frozen=True)
class Made:
    """One made recording: how clear its strongest contrast is, and how well that lies on the inserted clip."""

    clarity: float
    overlap: float


class MadeRecordings:
    """Recordings put together from windows that were scored once; sources weigh alike.

    All clips of a recording travelled the same road, or none, and the sentence inserted is of the same repository.
    """

    def __init__(self, places: Sequence[tuple[Clip, int, int]], logits: Float64Array) -> None:
        """Sort the windows.

        Args:
            places: (clip, road, first sample) of every window.
            logits: Their held-out logits.
        """
        clips: dict[tuple[str, int], list[tuple[float, float]]] = defaultdict(list)
        real: dict[tuple[str, int], set[str]] = defaultdict(set)
        fake: dict[tuple[str, int], set[str]] = defaultdict(set)
        self._repos: dict[str, str] = {}
        for (clip, road, start), logit in zip(places, logits, strict=True):
            clips[clip.key, road].append((start / SAMPLE_RATE_HZ, float(logit)))
            (fake if clip.label else real)[clip.repo if clip.label else clip.system, road].add(clip.key)
            self._repos[clip.system] = clip.repo
        self._clips = clips
        self._fake = {key: sorted(names) for key, names in fake.items()}
        self._real = {key: sorted(names) for key, names in real.items() if len(names) >= CLIPS_A_RECORDING[0]}

    def make(self, *, seed: int, insert: bool = False) -> list[Made]:
        """Return `MADE` recordings of 2 to 6 clips; with `insert` a generated clip of the same page lies among them."""
        rng = np.random.default_rng(seed)
        sources = [key for key in self._real if not insert or (self._repos[key[0]], key[1]) in self._fake]
        found: list[Made] = []
        for number in range(MADE if sources else 0):
            system, road = sources[number % len(sources)]
            pool = self._real[system, road]
            count = min(len(pool), int(rng.integers(CLIPS_A_RECORDING[0], CLIPS_A_RECORDING[1] + 1)))
            names = [pool[i] for i in rng.permutation(len(pool))[:count]]
            place = int(rng.integers(count + 1)) if insert else None
            if place is not None:
                choice = self._fake[self._repos[system], road]
                names.insert(place, choice[int(rng.integers(len(choice)))])
            made = self._join(names, road, place)
            if made is not None:
                found.append(made)
        return found

    def _join(self, names: Sequence[str], road: int, place: int | None) -> Made | None:
        windows: list[Window] = []
        values: list[float] = []
        bounds = [0.0]
        for name in names:
            for start, logit in self._clips[name, road]:
                windows.append(Window(bounds[-1] + start, bounds[-1] + start + STRETCH_S))
                values.append(logit)
            bounds.append(windows[-1].end_s)
        contrast = find_contrast(*timeline(windows, np.array(values)))
        if contrast is None:
            return None
        if place is None:
            return Made(contrast.clarity, 0.0)
        truth = (bounds[place], bounds[place + 1])
        return Made(contrast.clarity, shared_part(truth, (contrast.start_s, contrast.end_s)))

"""How clear a contrast inside an untouched recording can be by chance: the table behind `likely_manipulated`.

Untouched recordings are put together from held-out clips of one real source, so that they hold the changes of speaker,
distance and sentence that real recordings hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from detect.evidence.splice import find_contrast, timeline
from detect.evidence.windows import Window
from detect.media.pcm import SAMPLE_RATE_HZ
from detect.networks.audio.speech import WINDOW_S
from detect.training.speech.clips import Clip

Float64Array = npt.NDArray[np.float64]

MADE = 3_000
CLIPS_A_RECORDING = (2, 6)
SHARE = 0.5
"""Share of a budget that splices may use up; whole recordings keep within theirs by their own thresholds."""


def splice_table(
    places: Sequence[tuple[Clip, int]], logits: Float64Array, thresholds: Sequence[dict[str, Any]], *, seed: int
) -> list[dict[str, float]]:
    """Return rows of (clarity, llr): the llr that accuses at a budget, at the clarity that the budget's share reaches.

    Args:
        places: (clip, first sample) of every window.
        logits: Held-out logits of the windows.
        thresholds: Rows of the calibration block.
        seed: Of the made recordings.
    """
    clarity = untouched_clarity(places, logits, seed=seed)
    rows: list[dict[str, float]] = []
    for row in sorted(thresholds, key=lambda row: float(row["max_false_positive_rate"])):
        budget, llr = float(row["max_false_positive_rate"]), float(row["synthetic_llr"]) + 1e-3
        is_looser = not rows or llr < rows[-1]["llr"]  # equal thresholds: only the strictest clarity may reach them
        if budget * SHARE * len(clarity) >= 5 and is_looser:
            rows.append({"clarity": round(float(np.quantile(clarity, 1 - budget * SHARE)), 4), "llr": llr})
    return rows


def untouched_clarity(places: Sequence[tuple[Clip, int]], logits: Float64Array, *, seed: int) -> Float64Array:
    """Return the clarity of the strongest contrast in made recordings of one real source each; sources weigh alike."""
    by_source: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    lengths: dict[str, float] = {}
    for (clip, start), logit in zip(places, logits, strict=True):
        if clip.label == 0:
            by_source[clip.system][clip.key].append((start / SAMPLE_RATE_HZ, float(logit)))
            lengths[clip.key] = max(WINDOW_S, clip.samples / SAMPLE_RATE_HZ)
    sources = [clips for clips in by_source.values() if len(clips) >= CLIPS_A_RECORDING[0]]
    rng = np.random.default_rng(seed)
    found: list[float] = []
    for number in range(MADE):
        clips = sources[number % len(sources)]
        names = sorted(clips)
        count = min(len(names), int(rng.integers(CLIPS_A_RECORDING[0], CLIPS_A_RECORDING[1] + 1)))
        windows: list[Window] = []
        values: list[float] = []
        offset = 0.0
        for name in rng.permutation(names)[:count]:
            for start, logit in clips[str(name)]:
                windows.append(Window(offset + start, offset + start + WINDOW_S))
                values.append(logit)
            offset += lengths[str(name)]
        contrast = find_contrast(*timeline(windows, np.array(values)), window_s=WINDOW_S)
        if contrast is not None:
            found.append(contrast.clarity)
    return np.array(found)

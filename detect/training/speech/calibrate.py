"""Held-out scores of whole recordings to the calibration of the model: each clip judged by the head that never heard
its repository, as delivered and after one random road."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from detect.media.pcm import SAMPLE_RATE_HZ
from detect.networks.audio.spectral import SpectralNet
from detect.networks.audio.speech import WINDOW_S, SpeechNet
from detect.training.image.calibration import HeldOutScore, fit_calibration, weighted_quantile
from detect.training.speech.clips import Clip, Int16Array
from detect.training.speech.crops import Crop, fill
from detect.training.speech.features import Waves
from detect.training.speech.recipe import CalibrationPlan
from detect.training.speech.spectral import score_spectral
from detect.types import Float32Array

Float64Array = npt.NDArray[np.float64]

SMALL_SOURCE = 10
"""Real sources with so many recordings or more have their own limit on false accusations."""

WINDOWS_A_CLIP = 3

SOURCE_RATE = 2.5
"""False accusations that a single source may have, as a multiple of the budget."""

MISS_RATE = 0.05
"""Share of generated speech that may be acquitted."""

LEAST_S = 1.5
"""Seconds; shorter recordings are never judged, so they calibrate nothing."""


def pick_clips(clips: Sequence[Clip], plan: CalibrationPlan) -> list[Clip]:
    """Return some clips of each source and generator, spread at random."""
    rng = np.random.default_rng(plan.seed)
    by_system: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        by_system[clip.system].append(clip)
    picked: list[Clip] = []
    for name in sorted(by_system):
        group = by_system[name]
        limit = plan.clips_a_system if group[0].label else plan.clips_a_source
        picked += [group[i] for i in rng.permutation(len(group))[:limit]]
    return picked


class CalibrationWindows:
    """Up to `WINDOWS_A_CLIP` windows of each picked clip, as delivered; a sequence of int16 arrays."""

    def __init__(self, clips: Sequence[Clip], samples: Int16Array) -> None:
        length = int(WINDOW_S * SAMPLE_RATE_HZ)
        self._samples = samples
        self._length = length
        self.places: list[tuple[Clip, int]] = []
        for clip in clips:
            room = max(0, clip.samples - length)
            count = min(WINDOWS_A_CLIP, 1 + room // (length // 2))
            self.places += [(clip, int(start)) for start in np.linspace(0, room, count)]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Int16Array:
        clip, start = self.places[index]
        piece = self._samples[clip.start + start : clip.start + min(clip.samples, start + self._length)]
        return fill(piece, self._length)


def judged_keys(clips: Sequence[Clip]) -> frozenset[str]:
    """Return the keys of clips that are long enough to be judged at all."""
    return frozenset(clip.key for clip in clips if clip.samples >= LEAST_S * SAMPLE_RATE_HZ)


def score_held_out(
    net: SpeechNet, origins: Sequence[Clip | Crop], features: Float32Array, waves: Waves, folds: Mapping[str, int]
) -> tuple[Float64Array, Float64Array]:
    """Return the logits of heads and of spectrogram nets, one a window, each without the window's repository.

    Args:
        net: With trained heads and spectrogram nets.
        origins: What each window was cut from.
        features: Raw features (windows, F).
        waves: The windows themselves.
        folds: The fold of each repository.
    """
    own = np.array([folds[origin.repo] for origin in origins])
    heard, seen = np.zeros(len(features)), np.zeros(len(features))
    for fold, head in enumerate(net.heads):
        chosen = np.flatnonzero(own == fold)
        with torch.inference_mode():
            ready = net.standardise(torch.from_numpy(features[chosen]))
            heard[chosen] = head(ready)[:, 0].double().numpy()
        if net.spectral:
            seen[chosen] = score_spectral(cast(SpectralNet, net.spectral[fold]), waves, chosen.tolist())
    return heard, seen


def fit_fusion(
    heard: Float64Array, seen: Float64Array, labels: Float64Array, weights: Float64Array
) -> tuple[float, float, float]:
    """Return the weights of heads and spectrogram nets and the offset, by logistic regression on held-out windows.

    Neither weight may be negative: a detector that is right less often than not is left out, not turned round.
    """
    from scipy.optimize import minimize

    columns = np.stack([heard, seen, np.ones_like(heard)])
    signs = np.where(labels > 0.5, 1.0, -1.0)

    def loss(values: Float64Array) -> float:
        return float(np.average(np.logaddexp(0, -signs * (values @ columns)), weights=weights))

    fitted = minimize(loss, np.array([0.5, 0.5, 0.0]), bounds=[(0, None), (0, None), (None, None)]).x
    return float(fitted[0]), float(fitted[1]), float(fitted[2])


def gather_scores(
    windows: CalibrationWindows,
    clean: Float64Array,
    crops: Sequence[Crop],
    laundered: Float64Array,
    long_enough: Set[str],
) -> tuple[list[HeldOutScore], list[HeldOutScore]]:
    """Return the scores of whole recordings, and those of single windows.

    Clean recordings count with the mean of their windows; crops, which travelled a random road, are laundered
    recordings of one window. Left out are rebuilt copies, which nobody ships, and clips not in `long_enough`.
    """
    by_clip: dict[str, list[float]] = defaultdict(list)
    clips: dict[str, Clip] = {}
    kept = [
        (clip, float(logit)) for (clip, _), logit in zip(windows.places, clean, strict=True) if clip.key in long_enough
    ]
    for clip, logit in kept:
        by_clip[clip.key].append(logit)
        clips[clip.key] = clip
    whole = [
        HeldOutScore(bool(clips[key].label), clips[key].system, "clean", float(np.mean(logits)))
        for key, logits in by_clip.items()
    ]
    shipped = [
        HeldOutScore(bool(crop.label), crop.system, "laundered", float(logit))
        for crop, logit in zip(crops, laundered, strict=True)
        if not crop.copier and crop.key in long_enough
    ]
    single = [HeldOutScore(bool(clip.label), clip.system, "clean", logit) for clip, logit in kept]
    return whole + shipped, single + shipped


def make_calibration(whole: Sequence[HeldOutScore], single: Sequence[HeldOutScore]) -> dict[str, Any]:
    """Return the `calibration` block but for its id: whole recordings, and the affine map of single windows beside it.

    Each threshold is raised until no real source with `SMALL_SOURCE` recordings or more goes over its limit, which is
    2.5 times the budget (5 % at the default one).
    """
    block = fit_calibration(list(whole), calibration_id="", largest_source_rate=1.0, miss_rate=MISS_RATE)
    sources = _real_sources(whole)
    for row in block["thresholds"]:
        rate = min(1.0, SOURCE_RATE * row["max_false_positive_rate"])
        worst = max((_quantile(scores, rate) for scores in sources.values()), default=-np.inf)
        least = block["slope"] * worst + block["intercept"] + 1e-3
        row["synthetic_llr"] = round(max(row["synthetic_llr"], float(least)), 4)
    windows = fit_calibration(list(single), calibration_id="", largest_source_rate=1.0, miss_rate=MISS_RATE)
    block["window"] = {key: windows[key] for key in ("slope", "intercept", "cap")}
    return block


def _real_sources(scores: Sequence[HeldOutScore]) -> dict[str, list[HeldOutScore]]:
    """Return the scores of the real sources that are large enough to count."""
    sources: dict[str, list[HeldOutScore]] = defaultdict(list)
    for score in scores:
        if not score.is_fake:
            sources[score.origin].append(score)
    return {key: group for key, group in sources.items() if len(group) >= SMALL_SOURCE}


def _quantile(scores: Sequence[HeldOutScore], rate: float) -> float:
    """Return the logit that at most `rate` of one source lies above, clean and laundered recordings weighing alike."""
    counts = Counter(score.perturbation for score in scores)
    weights = np.array([1.0 / counts[score.perturbation] for score in scores])
    return weighted_quantile(np.array([score.logit for score in scores]), weights, 1 - rate)

"""Held-out scores of whole recordings to the calibration of the model: each clip judged by the head that never heard
its repository, as delivered and after one random road."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from detect.media.pcm import SAMPLE_RATE_HZ
from detect.networks.audio.speech import WINDOW_S, SpeechNet
from detect.training.image.calibration import HeldOutScore, fit_calibration
from detect.training.speech.augment import travel
from detect.training.speech.clips import Clip, Int16Array
from detect.training.speech.crops import fill
from detect.training.speech.recipe import CalibrationPlan
from detect.types import Float32Array

logger = logging.getLogger(__name__)

SMALL_SOURCE = 10
"""Real sources with so many recordings or more have their own limit on false accusations."""

LARGEST_SOURCE_RATE = 0.05
MISS_RATE = 0.05
"""Shares: false accusations in the worst source at the default budget, and generated speech that may be acquitted."""


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


def cut_windows(wave: Float32Array, *, hop_s: float = 2.0) -> Float32Array:
    """Return overlapping windows (windows, samples) of a wave; a shorter wave is repeated to one window."""
    length, hop = int(WINDOW_S * SAMPLE_RATE_HZ), int(hop_s * SAMPLE_RATE_HZ)
    if len(wave) <= length:
        return fill(wave, length)[None]
    starts = list(range(0, len(wave) - length + 1, hop))
    return np.stack([wave[start : start + length] for start in starts])


def score_clips(
    net: SpeechNet, clips: Sequence[Clip], samples: Int16Array, folds: dict[str, int], plan: CalibrationPlan
) -> tuple[list[HeldOutScore], list[HeldOutScore]]:
    """Return scores of whole clips and of single windows, by the head of the fold that each repository lies in."""
    whole: list[HeldOutScore] = []
    single: list[HeldOutScore] = []
    rng = np.random.default_rng(plan.seed + 1)
    for number, clip in enumerate(clips):
        wave = samples[clip.start : clip.start + clip.samples].astype(np.float32) / 32767
        for name, heard in (("clean", wave), ("laundered", travel(wave[: 4 * SAMPLE_RATE_HZ], rng))):
            logits = _held_out_logits(net, cut_windows(heard), folds[clip.repo])
            whole.append(HeldOutScore(bool(clip.label), clip.system, name, float(logits.mean())))
            single += [HeldOutScore(bool(clip.label), clip.system, name, float(logit)) for logit in logits]
        if number % 200 == 0:
            logger.info("calibration: %d of %d recordings", number, len(clips))
    return whole, single


@torch.inference_mode()
def _held_out_logits(net: SpeechNet, windows: Float32Array, fold: int) -> Float32Array:
    """Return logits of the head that was trained without that fold."""
    ready = net.standardise(net.describe(torch.from_numpy(np.ascontiguousarray(windows))))
    logits: Float32Array = net.heads[fold](ready)[:, 0].numpy()
    return logits


def make_calibration(whole: Sequence[HeldOutScore], single: Sequence[HeldOutScore], tag: str) -> dict[str, Any]:
    """Return the `calibration` block: for whole recordings, with the affine map of single windows beside it.

    Each threshold is also raised until no real source with `SMALL_SOURCE` recordings or more goes over its limit.
    """
    block = fit_calibration(
        list(whole), calibration_id=tag, largest_source_rate=LARGEST_SOURCE_RATE, miss_rate=MISS_RATE
    )
    for row in block["thresholds"]:
        rate = LARGEST_SOURCE_RATE * max(1.0, row["max_false_positive_rate"] / 0.02)
        worst = max((_quantile(values, rate) for values in _real_sources(whole).values()), default=-np.inf)
        row["synthetic_llr"] = round(
            max(row["synthetic_llr"], block["slope"] * float(worst) + block["intercept"] + 1e-3), 4
        )
    windows = fit_calibration(list(single), calibration_id=tag, largest_source_rate=0.05, miss_rate=MISS_RATE)
    block["window"] = {key: windows[key] for key in ("slope", "intercept", "cap")}
    return block


def _real_sources(scores: Sequence[HeldOutScore]) -> dict[tuple[str, str], list[float]]:
    """Return logits by (source, perturbation) of the real sources that are large enough to count."""
    sources: dict[tuple[str, str], list[float]] = defaultdict(list)
    for score in scores:
        if not score.is_fake:
            sources[score.origin, score.perturbation].append(score.logit)
    return {key: values for key, values in sources.items() if len(values) >= SMALL_SOURCE}


def _quantile(values: Sequence[float], rate: float) -> float:
    """Return the value that at most `rate` of the values lie above."""
    return float(np.quantile(np.array(values), max(0.0, 1 - rate), method="higher"))

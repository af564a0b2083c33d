"""Train the heads that find a machine's sentence inside a recording: windows of 2 s, each repository held out once.

`witnessmark train` runs this as its last stage. Alone, for a model whose network stays as it is:

    python -m detect.training.speech models/speech/recipe.toml --manifest collected.jsonl --work RUN
"""

from __future__ import annotations

import hashlib
import json
import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from detect.media.pcm import SAMPLE_RATE_HZ
from detect.networks.audio.speech import SpeechNet
from detect.networks.audio.stretches import LEVEL, LIMIT, STRETCH_S, StretchHeads
from detect.training.speech.augment import travel
from detect.training.speech.clips import Clip, ClipStore, Int16Array
from detect.training.speech.crops import fill
from detect.training.speech.features import FeatureStore, describe
from detect.training.speech.folds import assign_folds
from detect.training.speech.recipe import Recipe, StretchPlan
from detect.training.speech.splices import MadeRecordings, splice_table
from detect.types import Float32Array

logger = logging.getLogger(__name__)

HEADS_NAME = "stretch.safetensors"
CUT_S = 5.0
"""Seconds used of a clip."""

HOP_S = {0: 0.5, 1: 1.0}
"""Step of the windows by label: real clips also make the untouched recordings, which are heard as densely as files."""

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Place:
    """One window: its clip, whether that travelled its page's road (1) or not (0), and its first sample."""

    clip: Clip
    road: int
    start: int


class StretchWaves:
    """Windows of clips, as delivered and after a road that all clips of a repository share; a sequence of int16.

    Why one road a repository: a splice travels with the recording around it, so the codec must not tell them apart.
    """

    def __init__(self, clips: Sequence[Clip], samples: Int16Array, *, seed: int) -> None:
        self._samples = samples
        self._seed = seed
        self._last: tuple[tuple[str, int], Float32Array] | None = None
        self.places: list[Place] = []
        self.length = int(STRETCH_S * SAMPLE_RATE_HZ)
        for clip in clips:
            count = min(clip.samples, int(CUT_S * SAMPLE_RATE_HZ))
            starts = range(0, count - self.length + 1, int(HOP_S[clip.label] * SAMPLE_RATE_HZ))
            self.places += [Place(clip, road, start) for road in (0, 1) for start in starts]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Int16Array:
        place = self.places[index]
        key = (place.clip.key, place.road)
        if self._last is None or self._last[0] != key:
            self._last = (key, self._wave(place.clip, place.road))
        return np.round(self._last[1][place.start : place.start + self.length] * 32767).astype(np.int16)

    def _wave(self, clip: Clip, road: int) -> Float32Array:
        """Return the cut of a clip at the level that recordings are judged at."""
        length = int(CUT_S * SAMPLE_RATE_HZ)
        piece = self._samples[clip.start : clip.start + min(clip.samples, length)]
        wave = piece.astype(np.float32) / 32767
        if road:
            rng = np.random.default_rng(zlib.crc32(clip.repo.encode()) + self._seed)
            wave = travel(fill(wave, length), rng)[: len(piece)]
        return np.clip(wave * (LEVEL / max(float(np.sqrt(np.mean(wave**2))), 1e-5)), -1, 1).astype(np.float32)


def train_stretches(
    recipe: Recipe, net: SpeechNet, store: ClipStore, *, work: Path, out: Path, device: str = "cpu"
) -> list[Place]:
    """Train the heads, write them to the model folder and what they reach into its config.json; resumes.

    Returns:
        All windows in the order of `work/stretch/held_out.npz`, which holds their held-out logits.
    """
    plan = recipe.stretch
    clips = [clip for clip in store.clips() if clip.system not in recipe.data.left_out]
    waves = StretchWaves(_pick(clips, plan), store.samples(), seed=plan.seed)
    features = FeatureStore(work / "stretch", net.mean.numel())
    describe(net, waves, features, device=device)
    folds = assign_folds(((p.clip.repo, p.clip.label, p.clip.system) for p in waves.places), recipe.data.folds)
    own = np.array([folds[place.clip.repo] for place in waves.places])
    heads = fit_heads(features.load(), waves.places, own, plan, folds=recipe.data.folds)
    raw = features.load()
    blocks = [heads.logits(raw[start : start + 2048]) for start in range(0, len(raw), 2048)]
    held_out = np.concatenate(blocks)[np.arange(len(raw)), own].astype(np.float64)
    np.savez(work / "stretch" / "held_out.npz", logits=held_out, folds=own)
    write_heads(heads, out, waves.places, held_out, plan)
    return waves.places


def _pick(clips: Sequence[Clip], plan: StretchPlan) -> list[Clip]:
    """Return clips of at least one window, so many of each system, in the order of their keys."""
    counts: dict[str, int] = {}
    picked = []
    for clip in sorted(clips, key=lambda clip: clip.key):
        limit = plan.clips_a_system if clip.label else plan.clips_a_source
        if clip.samples >= STRETCH_S * SAMPLE_RATE_HZ and counts.get(clip.system, 0) < limit:
            counts[clip.system] = counts.get(clip.system, 0) + 1
            picked.append(clip)
    return picked


def fit_heads(
    features: Float32Array, places: Sequence[Place], own: npt.NDArray[np.int64], plan: StretchPlan, *, folds: int
) -> StretchHeads:
    """Return heads of which number k never heard fold k."""
    mean, scale = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-3)
    labels = np.array([place.clip.label for place in places], np.float32)
    weights = _weigh(places)
    trained = [
        _fit_head(features, mean, scale, labels, weights, np.flatnonzero(own != fold), plan, seed=plan.seed + fold)
        for fold in range(folds)
    ]
    half = [np.stack(part).astype(np.float16).astype(np.float32) for part in zip(*trained, strict=True)]
    return StretchHeads(mean, scale, half[0], half[1], half[2], half[3])


def _weigh(places: Sequence[Place]) -> Float32Array:
    """Return the weight of each window: a system with n windows counts n ** 0.5, both labels alike."""
    names = [place.clip.system for place in places]
    _, index, counts = np.unique(names, return_inverse=True, return_counts=True)
    weights = counts[index] ** -0.5
    labels = np.array([place.clip.label for place in places])
    for label in (0, 1):
        weights[labels == label] /= weights[labels == label].mean()
    return weights.astype(np.float32)


def _fit_head(
    features: Float32Array,
    mean: Float32Array,
    scale: Float32Array,
    labels: Float32Array,
    weights: Float32Array,
    chosen: npt.NDArray[np.int64],
    plan: StretchPlan,
    *,
    seed: int,
) -> tuple[Float32Array, ...]:
    """Return weights and biases of one head: (hidden, features), (hidden,), (hidden,), ()."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    inner, outer = nn.Linear(features.shape[1], plan.hidden), nn.Linear(plan.hidden, 1)
    head = nn.Sequential(nn.Dropout(0.2), inner, nn.ReLU(), nn.Dropout(0.5), outer)
    steps = max(2, plan.epochs * (len(chosen) // plan.batch))
    optimiser = torch.optim.AdamW(head.parameters(), plan.learning_rate, weight_decay=plan.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.learning_rate, total_steps=steps, pct_start=0.1)
    order = np.concatenate([rng.permutation(chosen) for _ in range(plan.epochs + 1)])
    for step in range(steps):
        rows = np.sort(order[step * plan.batch : (step + 1) * plan.batch])
        ready = torch.from_numpy(np.clip((features[rows] - mean) / scale, -LIMIT, LIMIT))
        targets = torch.from_numpy(labels[rows] * (1 - 2 * plan.smoothing) + plan.smoothing)
        loss = nn.functional.binary_cross_entropy_with_logits(
            head(ready)[:, 0], targets, torch.from_numpy(weights[rows])
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    logger.info("stretch head %d: %d steps, last loss %.3f", seed, steps, float(loss.detach()))
    found = (inner.weight, inner.bias, outer.weight[0], outer.bias[0])
    return tuple(part.detach().numpy() for part in found)


def write_heads(
    heads: StretchHeads, out: Path, places: Sequence[Place], held_out: Float64Array, plan: StretchPlan
) -> None:
    """Write the heads and, into config.json, their hash, their figures and the splice table."""
    from safetensors.numpy import save
    from sklearn.metrics import roc_auc_score

    halved = {"inner": heads.inner.astype(np.float16)}
    data = save({**{key: np.ascontiguousarray(value) for key, value in vars(heads).items()}, **halved})
    (out / HEADS_NAME).write_bytes(data)
    path = out / "config.json"
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    by_clip: dict[tuple[str, int], list[float]] = {}
    labels: dict[tuple[str, int], int] = {}
    for place, logit in zip(places, held_out, strict=True):
        by_clip.setdefault((place.clip.key, place.road), []).append(float(logit))
        labels[place.clip.key, place.road] = place.clip.label
    means = [float(np.mean(by_clip[key])) for key in by_clip]
    config["stretch"] = {
        "weights": HEADS_NAME,
        "sha256": hashlib.sha256(data).hexdigest(),
        "window_s": STRETCH_S,
        "seed": plan.seed,
        "windows": len(places),
        "clips": len({place.clip.key for place in places}),
        "systems": len({place.clip.system for place in places}),
        "repositories": len({place.clip.repo for place in places}),
        "held_out_auc": round(float(roc_auc_score([labels[key] for key in by_clip], means)), 4),
    }
    block = config["calibration"]
    recordings = MadeRecordings([(place.clip, place.road, place.start) for place in places], held_out)
    block["splice"], config["stretch"]["held_out"] = splice_table(recordings, block["thresholds"], seed=plan.seed)
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

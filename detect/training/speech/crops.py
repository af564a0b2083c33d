"""Make the training crops once: balanced over systems, each after its own random road, copies beside originals."""

from __future__ import annotations

import json
import logging
import zlib
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from detect.media.pcm import SAMPLE_RATE_HZ
from detect.training.speech.augment import travel
from detect.training.speech.clips import Clip, ClipStore, Int16Array
from detect.training.speech.copies import COPIERS, usable_copiers
from detect.training.speech.recipe import CropPlan

Number = TypeVar("Number", np.int16, np.float32)
logger = logging.getLogger(__name__)

CHUNK = 100
"""Crops written at once; a broken run loses at most these."""


@dataclass(frozen=True)
class Crop:
    """One line of the crop list: what it was cut from, its label, and the random seed of its road.

    `copier` is empty for a plain crop; a copy and its original share `seed`, hence cut and road.
    """

    key: str
    label: int
    system: str
    repo: str
    seed: int
    copier: str = ""


class CropStore:
    """`crops.i16` of shape (crops, samples) and `crops.jsonl`; `done` counts the finished rows."""

    def __init__(self, folder: Path, seconds: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.length = int(seconds * SAMPLE_RATE_HZ)
        self.samples_path = folder / "crops.i16"
        self.index_path = folder / "crops.jsonl"
        self.samples_path.touch()

    @property
    def done(self) -> int:
        """Return how many crops lie in the file."""
        return self.samples_path.stat().st_size // (2 * self.length)

    def crops(self) -> list[Crop]:
        """Return the whole list, finished or not."""
        return [Crop(**json.loads(line)) for line in self.index_path.read_text(encoding="utf-8").splitlines()]

    def samples(self) -> Int16Array:
        """Return the finished crops as a read-only map of shape (done, samples)."""
        return np.memmap(self.samples_path, dtype=np.int16, mode="r", shape=(self.done, self.length))


def plan_crops(clips: list[Clip], plan: CropPlan) -> list[Crop]:
    """Return the crop list: `plan.crops` of each label, systems weighted by the root of their clips, then pairs."""
    rng = np.random.default_rng(plan.seed)
    crops: list[Crop] = []
    for label in (0, 1):
        chosen = [clip for clip in clips if clip.label == label]
        crops += [_plain(clip, rng) for clip in _draw(chosen, plan.crops, rng)]
    real = [clip for clip in clips if clip.label == 0]
    copiers = usable_copiers()
    for number, clip in enumerate(_draw(real, plan.copies, rng)):
        seed, copier = int(rng.integers(2**31)), copiers[number % len(copiers)]
        crops.append(Crop(clip.key, 0, clip.system, clip.repo, seed, "original"))
        crops.append(Crop(clip.key, 1, f"copy:{copier}", clip.repo, seed, copier))
    order = np.random.default_rng(plan.seed + 1).permutation(len(crops))
    return [crops[i] for i in order]


def _plain(clip: Clip, rng: Generator) -> Crop:
    """Return a crop of a clip with its own road."""
    return Crop(clip.key, clip.label, clip.system, clip.repo, int(rng.integers(2**31)))


def _draw(clips: list[Clip], count: int, rng: Generator) -> list[Clip]:
    """Draw `count` clips so that a system with n clips gets a share of n ** 0.5, clips of it in turn."""
    by_system: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        by_system[clip.system].append(clip)
    total = sum(len(group) ** 0.5 for group in by_system.values())
    drawn: list[Clip] = []
    for name in sorted(by_system):
        group = by_system[name]
        share = max(1, round(count * len(group) ** 0.5 / total))
        order = rng.permutation(len(group))
        drawn += [group[order[i % len(group)]] for i in range(share)]
    return drawn


def make_crops(store: CropStore, clip_store: ClipStore, plan: CropPlan) -> None:
    """Write every crop that the store does not hold yet."""
    clips = {clip.key: clip for clip in clip_store.clips()}
    if not store.index_path.exists():
        lines = [json.dumps(asdict(crop)) + "\n" for crop in plan_crops(list(clips.values()), plan)]
        store.index_path.write_text("".join(lines), encoding="utf-8")
    crops, samples = store.crops(), clip_store.samples()
    for start in range(store.done, len(crops), CHUNK):
        rows = [make_crop(crop, clips[crop.key], samples, store.length) for crop in crops[start : start + CHUNK]]
        with store.samples_path.open("ab") as sink:
            sink.write(np.stack(rows).tobytes())
        logger.info("crops: %d of %d", start + len(rows), len(crops))


def make_crop(crop: Crop, clip: Clip, samples: Int16Array, length: int) -> Int16Array:
    """Cut, copy when asked to, and send one crop along its road."""
    rng = np.random.default_rng(crop.seed)
    piece = samples[clip.start : clip.start + clip.samples]
    start = int(rng.integers(max(1, clip.samples - length + 1)))
    wave = fill(piece[start : start + length].astype(np.float32) / 32767, length)
    if crop.copier in COPIERS:
        copier_rng = np.random.default_rng(zlib.crc32(crop.key.encode()) + crop.seed)
        wave = COPIERS[crop.copier](wave, copier_rng)
    return np.round(travel(wave, rng) * 32767).astype(np.int16)


def fill(wave: npt.NDArray[Number], length: int) -> npt.NDArray[Number]:
    """Return `wave` at exactly `length` samples; a short one is repeated, never padded with silence."""
    if len(wave) >= length:
        return wave[:length]
    return np.tile(wave, -(-length // max(1, len(wave))))[:length]

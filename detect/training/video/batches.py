"""Draw frame batches: aligned pairs, frames of clips, and pictures, all sent through a video encoder alike."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from detect.training.image.crops import Crop, CropStore
from detect.training.image.lottery import Delivery, add_history, deliver, draw_delivery
from detect.training.image.pairs import PairStore
from detect.training.video.codec import Coding, draw_coding, recode
from detect.types import UInt8Array

ROOM = 16
"""Pixels that a crop may move while it is encoded as three frames."""


@dataclass(frozen=True)
class FramePlan:
    """How a batch is filled: `pair_share` halves of aligned pairs, `picture_share` pictures, the rest clip frames."""

    batch: int
    side: int
    pair_share: float
    picture_share: float
    seed: int


@dataclass(frozen=True)
class Passage:
    """One trip through an encoder: scaling, cutting, coding, and how the picture moves; for both halves of a pair."""

    delivery: Delivery
    coding: Coding
    move: tuple[int, int]


Named = dict[str, list[tuple[CropStore, Crop]]]


class FrameStream(IterableDataset[tuple[Tensor, Tensor]]):
    """Endless (crops (B, 3, side, side) in [-1, 1], labels (B,) with 1 = generated), reproducible from the seed."""

    def __init__(
        self,
        frames: CropStore,
        pictures: CropStore | None,
        pairs: PairStore | None,
        plan: FramePlan,
        *,
        start: int = 0,
    ) -> None:
        self.plan, self.start = plan, start
        self.pairs, self.pair_list = pairs, list(pairs.pairs) if pairs else []
        self.frames = _by_name(frames, plan.side + ROOM)
        self.pictures = None if pictures is None else _by_name(pictures, plan.side + ROOM)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        worker = torch.utils.data.get_worker_info()
        step, stride = (self.start, 1) if worker is None else (self.start + worker.id, worker.num_workers)
        while True:
            yield self.draw(step)
            step += stride

    def draw(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the batch of that step as tensors."""
        crops, labels, _ = self.draw_named(step)
        stacked = torch.from_numpy(crops).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
        return stacked, torch.tensor(labels)

    def draw_named(self, step: int) -> tuple[UInt8Array, list[float], list[str]]:
        """Return crops (B, side, side, 3) uint8, labels, and `clip:`, `picture:` or `pair:` and the maker of each."""
        rng = random.Random(f"{self.plan.seed}:{step}")  # noqa: S311 - reproducible sampling, not secrets
        crops: list[UInt8Array] = []
        labels: list[float] = []
        names: list[str] = []
        if self.pairs is not None:
            for _ in range(round(self.plan.batch * self.plan.pair_share / 2)):
                passage = draw_passage(rng)
                pair = rng.choice(self.pair_list)
                real, fake = self.pairs.pixels(pair)
                names += [f"pair:{pair.name}", f"pair:{pair.decoder}"]
                crops += [send(real, passage, self.plan.side), send(fake, passage, self.plan.side)]
                labels += [0.0, 1.0]
        of_pictures = round(self.plan.batch * self.plan.picture_share) if self.pictures is not None else 0
        while len(crops) < self.plan.batch:
            named = self.pictures if self.pictures is not None and of_pictures > 0 else self.frames
            of_pictures -= 1
            label = ("real", "fake")[len(crops) % 2]
            makers = sorted(named[label])
            weights = [len(named[label][maker]) ** 0.5 for maker in makers]
            store, crop = rng.choice(named[label][rng.choices(makers, weights=weights)[0]])
            pixels = store.pixels(crop)
            if label == "fake" and named is self.pictures:
                pixels = add_history(pixels, rng)
            if min(pixels.shape[:2]) < self.plan.side + ROOM:
                pixels = store.pixels(crop)
            crops.append(send(pixels, draw_passage(rng), self.plan.side))
            labels.append(float(label == "fake"))
            names.append(f"{'picture' if named is self.pictures else 'clip'}:{crop.name}")
        return np.stack(crops), labels, names


def draw_passage(rng: random.Random) -> Passage:
    """Draw one passage; nothing here may depend on the label."""
    move = (rng.randint(-3, 3), rng.randint(-3, 3)) if rng.random() < 0.6 else (0, 0)
    return Passage(replace(draw_delivery(rng), codec="none"), draw_coding(rng), move)


def send(pixels: UInt8Array, passage: Passage, side: int) -> UInt8Array:
    """Return a (side, side, 3) crop after a passage: encoded as three frames of a slow pan, the last one kept."""
    wide = deliver(pixels, passage.delivery, side=side + ROOM)
    starts = [(ROOM // 2 + step * passage.move[0], ROOM // 2 + step * passage.move[1]) for step in (-1, 0, 1)]
    views = [np.ascontiguousarray(wide[y : y + side, x : x + side]) for x, y in starts]
    return recode(views, passage.coding)[-1]


def _by_name(store: CropStore, least: int) -> dict[str, Named]:
    found: dict[str, Named] = {"real": {}, "fake": {}}
    for crop in store.crops:
        if min(crop.height, crop.width) >= least:
            found[crop.label].setdefault(crop.name, []).append((store, crop))
    return found

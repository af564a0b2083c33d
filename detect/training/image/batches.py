"""Draw training batches: aligned pairs beside generated-versus-real, each source weighted by the root of its size."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from detect.training.image.crops import Crop, CropStore
from detect.training.image.lottery import add_history, deliver, draw_delivery
from detect.training.image.pairs import PairStore


@dataclass(frozen=True)
class BatchPlan:
    """How a batch is filled: `batch` crops of `side` pixels, `pair_share` of them halves of aligned pairs.

    `weights` (name or shell pattern of a generator or source: factor) draws some more often than the root of their
    size says: what users bring today is not what the public data hold most of.
    """

    batch: int
    side: int
    pair_share: float
    seed: int
    weights: Mapping[str, float] = field(default_factory=dict)

    def weight(self, name: str, count: int) -> float:
        """Return how often the generator or source `name` with `count` crops is drawn, relative to others."""
        factors = [factor for pattern, factor in self.weights.items() if fnmatchcase(name, pattern)]
        return float(count**0.5 * (factors[0] if factors else 1.0))


class BatchStream(IterableDataset[tuple[Tensor, Tensor]]):
    """Endless (crops (B, 3, side, side) in [-1, 1], labels (B,) with 1 = generated), reproducible from the seed."""

    def __init__(
        self, crops: Sequence[tuple[CropStore, Crop]], pairs: Sequence[PairStore], plan: BatchPlan, *, start: int = 0
    ) -> None:
        self.plan, self.start = plan, start
        self.pairs = [(store, pair) for store in pairs for pair in store.pairs]
        self.by_label: dict[str, dict[str, list[tuple[CropStore, Crop]]]] = {"real": {}, "fake": {}}
        for item in crops:
            if min(item[1].height, item[1].width) >= plan.side:
                self.by_label[item[1].label].setdefault(item[1].name, []).append(item)
        self.weights = {
            label: [plan.weight(name, len(items)) for name, items in names.items()]
            for label, names in self.by_label.items()
        }

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        worker = torch.utils.data.get_worker_info()
        step, stride = (self.start, 1) if worker is None else (self.start + worker.id, worker.num_workers)
        while True:
            yield self.draw(step)
            step += stride

    def draw(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the batch of that step; the same for the same seed and step, whatever the number of workers."""
        rng = random.Random(f"{self.plan.seed}:{step}")  # noqa: S311 - reproducible sampling, not secrets
        crops: list[np.ndarray] = []
        labels: list[float] = []
        for _ in range(round(self.plan.batch * self.plan.pair_share / 2) if self.pairs else 0):
            store, pair = rng.choice(self.pairs)
            delivery = draw_delivery(rng)
            real, fake = store.pixels(pair)
            crops += [
                deliver(real, delivery, side=self.plan.side),
                deliver(add_history(fake, rng), delivery, side=self.plan.side),
            ]
            labels += [0.0, 1.0]
        while len(crops) < self.plan.batch:
            label = ("real", "fake")[len(crops) % 2]
            name = rng.choices(list(self.by_label[label]), weights=self.weights[label])[0]
            store_, crop = rng.choice(self.by_label[label][name])
            pixels = store_.pixels(crop)
            if label == "fake":
                pixels = add_history(pixels, rng)
            crops.append(deliver(pixels, draw_delivery(rng), side=self.plan.side))
            labels.append(float(label == "fake"))
        stacked = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
        return stacked, torch.tensor(labels)

"""Draw face batches: halves of swap pairs, self-blended pairs, and single faces of each label and maker."""

from __future__ import annotations

import io
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch import Tensor
from torch.utils.data import IterableDataset

from detect.networks.face.align import align
from detect.networks.face.detector import Face
from detect.training.face.blend import blend_with_itself
from detect.training.face.clips import StoredFace
from detect.training.video.codec import Coding, draw_coding, recode
from detect.types import UInt8Array

STRIP = 0.12
"""Largest shift of the crop's centre in training, in units of the face: detectors are no steadier than that."""


@dataclass(frozen=True)
class FacePlan:
    """How a batch is filled: `pair_share` halves of swap pairs, `blend_share` self-blended, the rest single faces."""

    batch: int
    side: int
    pair_share: float
    blend_share: float
    seed: int


@dataclass(frozen=True)
class View:
    """What happens to a face on its way to the net; drawn once, applied to both halves of a pair.

    `hole` (x, y, side in units of the crop) hides a part and `colour` takes colour away: with few people in the pairs
    a net would otherwise learn their faces by heart instead of what a swap leaves.
    """

    scale: float
    coding: Coding | None
    jpeg: int
    margin: float
    turn: float
    shift: tuple[float, float]
    flip: bool
    colour: float = 1.0
    hole: tuple[float, float, float] = (0.0, 0.0, 0.0)


class FaceStream(IterableDataset[tuple[Tensor, Tensor]]):
    """Endless (faces (B, 3, side, side) in [-1, 1], labels (B,), 1 = swapped or made), reproducible from the seed."""

    def __init__(self, faces: Sequence[StoredFace], plan: FacePlan, *, start: int = 0) -> None:
        self.plan, self.start = plan, start
        halves: dict[str, dict[str, StoredFace]] = defaultdict(dict)
        self.single: dict[str, dict[str, list[StoredFace]]] = {"real": defaultdict(list), "fake": defaultdict(list)}
        for face in faces:
            if face.pair:
                halves[face.pair][face.label] = face
            else:
                self.single[face.label][face.origin].append(face)
        whole = [both for both in halves.values() if len(both) == 2]
        self.pairs: dict[str, list[dict[str, StoredFace]]] = defaultdict(list)
        for both in whole:
            self.pairs[both["real"].person].append(both)
        self.reals = [face for face in faces if face.label == "real"]
        self.reals_by_person: dict[str, list[StoredFace]] = defaultdict(list)
        for face in self.reals:
            self.reals_by_person[f"{face.origin}/{face.person}"].append(face)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        worker = torch.utils.data.get_worker_info()
        step, stride = (self.start, 1) if worker is None else (self.start + worker.id, worker.num_workers)
        while True:
            yield self.draw(step)
            step += stride

    def draw(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the batch of that step."""
        rng = random.Random(f"{self.plan.seed}:{step}")  # noqa: S311 - reproducible sampling, not secrets
        crops: list[UInt8Array] = []
        labels: list[float] = []
        for _ in range(round(self.plan.batch * self.plan.pair_share / 2)):
            both = rng.choice(self.pairs[rng.choice(sorted(self.pairs))])
            view = draw_view(rng, both["real"].face)
            crops += [show(load(both[label]), both[label].face, view, self.plan.side) for label in ("real", "fake")]
            labels += [0.0, 1.0]
        for _ in range(round(self.plan.batch * self.plan.blend_share / 2)):
            real = rng.choice(self.reals_by_person[rng.choice(sorted(self.reals_by_person))])
            view = draw_view(rng, real.face)
            pixels = load(real)
            blended = blend_with_itself(pixels, real.face, rng)
            crops += [show(each, real.face, view, self.plan.side) for each in (pixels, blended)]
            labels += [0.0, 1.0]
        while len(crops) < self.plan.batch:
            label = ("real", "fake")[len(crops) % 2]
            if not self.single[label]:
                label = "real"
            face = rng.choice(self.single[label][rng.choice(sorted(self.single[label]))])
            crops.append(show(load(face), face.face, draw_view(rng, face.face), self.plan.side))
            labels.append(float(label == "fake"))
        stacked = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
        return stacked, torch.tensor(labels)


def load(face: StoredFace) -> UInt8Array:
    """Return the stored crop, (H, W, 3) uint8."""
    with Image.open(face.file) as picture:
        return np.asarray(picture.convert("RGB"))


def draw_view(rng: random.Random, face: Face) -> View:
    """Draw one view; nothing here may depend on the label."""
    least = min(1.0, 48 / face.side)
    roll = rng.random()
    return View(
        scale=1.0 if rng.random() < 0.4 else rng.uniform(least, 1.0),
        coding=draw_coding(rng) if roll < 0.25 else None,
        jpeg=rng.randint(45, 95) if 0.25 <= roll < 0.75 else 0,
        margin=rng.uniform(1.0, 1.6),
        turn=rng.gauss(0.0, 0.08),
        shift=(rng.uniform(-STRIP, STRIP) * 0.5, rng.uniform(-STRIP, STRIP) * 0.5),
        flip=rng.random() < 0.5,
        colour=rng.choice((1.0, 1.0, 0.0, rng.uniform(0.3, 1.3))),
        hole=(rng.random(), rng.random(), rng.uniform(0.2, 0.5)) if rng.random() < 0.5 else (0.0, 0.0, 0.0),
    )


def show(pixels: UInt8Array, face: Face, view: View, side: int) -> UInt8Array:
    """Return the aligned face of a stored crop under a view, (side, side, 3) uint8."""
    if view.scale < 1.0:
        picture = Image.fromarray(pixels)
        size = (max(16, round(picture.width * view.scale)), max(16, round(picture.height * view.scale)))
        scale = np.array([size[0] / picture.width, size[1] / picture.height])
        pixels = np.asarray(picture.resize(size, Image.Resampling.BICUBIC))
        x, y, width, height = face.box
        box = (x * scale[0], y * scale[1], width * scale[0], height * scale[1])
        face = replace(face, box=box, landmarks=face.landmarks * scale)
    if view.coding is not None:
        pixels = recode([pixels], view.coding)[0]
    elif view.jpeg:
        sink = io.BytesIO()
        Image.fromarray(pixels).save(sink, "JPEG", quality=view.jpeg)
        pixels = np.asarray(Image.open(sink).convert("RGB"))
    crop = align(pixels, face, side=side, margin=view.margin, turn=view.turn, shift=view.shift)
    crop = np.ascontiguousarray(crop[:, ::-1]) if view.flip else crop
    return _cover(_fade(crop, view.colour), view.hole)


def _fade(crop: UInt8Array, colour: float) -> UInt8Array:
    if colour == 1.0:
        return crop
    return np.asarray(ImageEnhance.Color(Image.fromarray(crop)).enhance(colour))


def _cover(crop: UInt8Array, hole: tuple[float, float, float]) -> UInt8Array:
    """Fill a square with its own mean colour."""
    x, y, side = hole
    if not side:
        return crop
    covered = crop.copy()
    reach = round(side * len(crop))
    left, top = round(x * (len(crop) - reach)), round(y * (len(crop) - reach))
    part = covered[top : top + reach, left : left + reach]
    part[:] = part.mean(axis=(0, 1), keepdims=True).astype(np.uint8)
    return covered

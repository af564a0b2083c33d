"""What one step of fine-tuning looks at: pairs drawn evenly over clips, programs and sources, each delivered anew."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from detect.networks.face.align import cut_square
from detect.networks.face.detector import Face
from detect.training.face.corpus import Corpus, FacePair, Kept
from detect.training.face.deliver import AS_FILMED, Delivery, deliver, draw_delivery
from detect.training.face.features import load
from detect.training.face.pseudo import remake_face
from detect.training.face.recipe import FaceTune
from detect.training.face.store import StoredFace
from detect.types import UInt8Array

AS_FILMED_SHARE = 0.2
"""Share of the draws that nothing happens to on the way."""

Example = tuple[str, Tensor, Tensor | None]
"""Its kind, the unswapped face (1, 3, S, S) in [-1, 1], and the swapped one of the same size, if there is one."""


class Sampler:
    """Draws the examples of a step from what is kept of a corpus."""

    def __init__(
        self, corpus: Corpus, kept: Kept, plan: FaceTune, *, decoders: Mapping[str, nn.Module], margin: float
    ) -> None:
        self.plan, self.decoders, self.margin = plan, decoders, margin
        self.clips: dict[str, list[FacePair]] = defaultdict(list)
        for pair, is_kept in zip(corpus.filmed, kept.filmed, strict=True):
            if is_kept:
                self.clips[pair.real.clip].append(pair)
        self.programs: dict[str, dict[str, list[FacePair]]] = defaultdict(lambda: defaultdict(list))
        for pair, is_kept in zip(corpus.others, kept.others, strict=True):
            if is_kept:
                self.programs[pair.real.origin][pair.real.person].append(pair)
        self.sources: dict[str, list[StoredFace]] = defaultdict(list)
        for face, is_kept in zip(corpus.singles, kept.singles, strict=True):
            if is_kept:
                self.sources[face.origin].append(face)

    def draw(self, rng: random.Random) -> list[Example]:
        """Return the examples of one step; a source weighs as the root of its number, clips and programs alike."""
        examples = [self._pair("filmed", self._filmed(rng), rng) for _ in range(self.plan.filmed if self.clips else 0)]
        for _ in range(self.plan.others if self.programs else 0):
            people = self.programs[rng.choice(sorted(self.programs))]
            examples.append(self._pair("others", rng.choice(people[rng.choice(sorted(people))]), rng))
        if self.sources:
            examples += [self._copied(self._single(rng), rng) for _ in range(self.plan.copied)]
            examples += [self._alone(self._single(rng), rng) for _ in range(self.plan.singles)]
        return examples

    def _filmed(self, rng: random.Random) -> FacePair:
        return rng.choice(self.clips[rng.choice(sorted(self.clips))])

    def _single(self, rng: random.Random) -> StoredFace:
        names = sorted(self.sources)
        weights = [len(self.sources[name]) ** 0.5 for name in names]
        return rng.choice(self.sources[rng.choices(names, weights)[0]])

    def _pair(self, kind: str, pair: FacePair, rng: random.Random) -> Example:
        way = _Way(pair.real.face, rng)
        return kind, self._tensor(load(pair.real), way), self._tensor(load(pair.fake), way)

    def _copied(self, face: StoredFace, rng: random.Random) -> Example:
        pixels, way = load(face), _Way(face.face, rng)
        made, _ = remake_face(pixels, face.face, rng, self.decoders)
        return "copied", self._tensor(pixels, way), self._tensor(made, way)

    def _alone(self, face: StoredFace, rng: random.Random) -> Example:
        return "singles", self._tensor(load(face), _Way(face.face, rng)), None

    def _tensor(self, pixels: UInt8Array, way: _Way) -> Tensor:
        delivered, place = deliver(pixels, way.face, way.delivery)
        square = cut_square(delivered, place, margin=self.margin)
        x = torch.from_numpy(np.ascontiguousarray(square.transpose(2, 0, 1)[None])).float() / 127.5 - 1
        return x.flip(3) if way.is_mirrored else x


class _Way:
    """What happens to a face before it is judged; both halves of a pair go the same way."""

    def __init__(self, face: Face, rng: random.Random) -> None:
        self.delivery: Delivery = AS_FILMED if rng.random() < AS_FILMED_SHARE else draw_delivery(rng)
        self.is_mirrored = rng.random() < 0.5
        x, y, width, height = face.box
        scale = rng.uniform(0.9, 1.12)  # detectors' boxes differ by as much
        middle_x, middle_y = x + width / 2 + rng.gauss(0, 0.03) * width, y + height / 2 + rng.gauss(0, 0.03) * height
        box = (middle_x - width * scale / 2, middle_y - height * scale / 2, width * scale, height * scale)
        self.face = replace(face, box=box)

"""Fit the linear layer of a region net: a discriminant of what a swap changes against how faces differ anyway.

The direction is that of Fisher's discriminant. What a swap changes is the mean difference between the two halves of a
pair, the same frame before and after; what must not matter is how the middles of pairs, the differences themselves and
thousands of unswapped faces of other sources scatter. A few people are enough for the former, since the difference
hides who is shown; the latter is where many faces help, and what a net trained by gradient descent on nine people
could not learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detect.training.scatter import Float64Array, Strings, covariance, weigh


@dataclass(frozen=True)
class Pairs:
    """Features of both halves of pairs, (N, F) each, with the clip, program or source of each pair."""

    real: Float64Array
    fake: Float64Array
    clips: Strings

    def __len__(self) -> int:
        return len(self.real)

    def take(self, chosen: npt.NDArray[np.bool_]) -> Pairs:
        """Return some of the pairs."""
        return Pairs(self.real[chosen], self.fake[chosen], self.clips[chosen])


@dataclass(frozen=True)
class Singles:
    """Features of unswapped faces, (N, F), with the source of each."""

    features: Float64Array
    sources: Strings

    def take(self, chosen: npt.NDArray[np.bool_]) -> Singles:
        """Return some of the faces."""
        return Singles(self.features[chosen], self.sources[chosen])


@dataclass(frozen=True)
class Discriminant:
    """Weights (F,) and offset: the middle between a face and its swap has logit 0, their mean distance is `SPREAD`."""

    weights: Float64Array
    offset: float

    def score(self, features: Float64Array) -> Float64Array:
        """Return the logits of (N, F) features."""
        return features @ self.weights + self.offset


SPREAD = 4.0
"""Mean distance of a face and its swap in logits, so that they lie in the range that other models' logits have."""


def fit_discriminant(
    pairs: Pairs, singles: Singles, *, made: Pairs | None = None, ridge: float, made_share: float = 0.0
) -> Discriminant:
    """Return the discriminant.

    Args:
        pairs: Real swaps; every clip weighs the same.
        singles: Faces that must not be accused; a source weighs by the root of its number.
        made: Swap-like faces made from real ones, and real swaps that count less.
        ridge: Added to the scatter, in units of its mean diagonal.
        made_share: Weight of the made pairs' difference beside that of the real ones, whose weight is 1.
    """
    spread = np.concatenate([pairs.real, pairs.fake]).std(axis=0) + 1e-6
    weights = weigh(pairs.clips, power=1.0)
    middles = (pairs.real + pairs.fake) / 2 / spread
    changes = (pairs.fake - pairs.real) / spread
    middle, change = weights @ middles, weights @ changes
    scatter = (
        covariance(middles, weights)
        + 0.25 * covariance(changes, weights)
        + covariance(singles.features / spread, weigh(singles.sources, power=0.5))
    )
    direction = change.copy()
    if made is not None and made_share:
        made_weights = weigh(made.clips, power=0.5)
        made_changes = (made.fake - made.real) / spread
        direction += made_share * (made_weights @ made_changes)
        scatter += 0.25 * made_share * covariance(made_changes, made_weights)
    scatter[np.diag_indices_from(scatter)] += ridge * np.trace(scatter) / len(scatter)
    solved = np.linalg.solve(scatter, direction)
    solved *= SPREAD / float(change @ solved)
    return Discriminant(solved / spread, -float(middle @ solved))


def linked_groups(links: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the group of each name: names that are linked, directly or through others, share one.

    Why: the person in one input clip is the swapped-in face of another, and two swaps may start from one clip; to leave
    out one and train on the other would test memory.
    """
    group: dict[str, str] = {}

    def root(name: str) -> str:
        while group.setdefault(name, name) != name:
            name = group[name]
        return name

    for first, second in links:
        group[max(root(first), root(second))] = min(root(first), root(second))
    return {name: root(name) for name in list(group)}

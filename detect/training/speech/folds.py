"""Folds by repository: a voice, a microphone and a page never sit on both sides of a comparison."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence


def assign_folds(systems: Iterable[tuple[str, int, str]], folds: int) -> dict[str, int]:
    """Return the fold of each repository.

    Why greedy by systems: one repository may hold 30 generators; folds should hold about as many generators and as
    many real sources each.

    Args:
        systems: (repository, label, system) of every clip; repeats do not matter.
        folds: Number of folds, at least 2.
    """
    held: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for repo, label, system in systems:
        held[repo][label].add(system)
    loads = [[0.0, 0.0] for _ in range(folds)]
    chosen: dict[str, int] = {}
    for repo in sorted(held, key=lambda name: (-sum(map(len, held[name])), name)):
        sizes = [len(held[repo][0]), len(held[repo][1])]
        growth = [_growth(load, sizes) for load in loads]
        fold = growth.index(min(growth))
        chosen[repo] = fold
        loads[fold] = [a + b for a, b in zip(loads[fold], sizes, strict=True)]
    return chosen


def _growth(load: Sequence[float], sizes: Sequence[int]) -> float:
    """Return how much the sum of squares grows; a real source weighs four times a generator, as it is rarer."""
    return sum(((a + b) ** 2 - a**2) * weight for a, b, weight in zip(load, sizes, (4, 1), strict=True))

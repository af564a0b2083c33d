"""What a batch is: the contract between a loaded model and whatever schedules its work.

A model says which items may share a call (`group`) and how many suit its device (`batch`); a schedule brings items to
calls. `run_here` is the plainest schedule; `detect.engine` has the ones that share a device between threads.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol


class BatchModel(Protocol):
    """A loaded model that judges items in batches. `run` may be called from several threads at once."""

    @property
    def device(self) -> str:
        """`cpu` or `cuda[:N]`."""

    @property
    def batch(self) -> int:
        """Most items that one call should hold on this device."""

    def group(self, item: Any) -> Hashable:
        """Return what items of one call must have in common, such as their shape."""

    def run(self, items: Sequence[Any]) -> Sequence[Any]:
        """Return one answer an item, in order; all items are of one group and at most `batch`."""


Schedule = Callable[[BatchModel, Sequence[Any]], list[Any]]
"""Brings items to a model's `run` and returns one answer an item, in order."""


def run_here(model: BatchModel, items: Sequence[Any]) -> list[Any]:
    """Run the items in the calling thread, those of one group in shared calls."""
    answers: list[Any] = [None] * len(items)
    groups: dict[Hashable, list[int]] = {}
    for index, item in enumerate(items):
        groups.setdefault(model.group(item), []).append(index)
    for indices in groups.values():
        for start in range(0, len(indices), model.batch):
            chosen = indices[start : start + model.batch]
            for index, answer in zip(chosen, model.run([items[index] for index in chosen]), strict=True):
                answers[index] = answer
    return answers

"""The contract of an engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from detect.networks.batches import BatchModel


class Engine(Protocol):
    """Runs models on whatever it holds. Safe to call from several threads; a call returns when its items are done."""

    def run(self, model: BatchModel, items: Sequence[Any]) -> list[Any]:
        """Return one answer an item, in the order given.

        Raises:
            EngineError: The engine was closed.
            Exception: Whatever the model raised for a batch that held one of these items.
        """

    def close(self) -> None:
        """End what the engine started; work under way is finished first."""

"""Find the batch that suits a device, and live with memory that others take: plain functions, tested without a GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

SIZES = (8, 16, 32, 64, 128, 256, 512)
GOOD_ENOUGH = 0.97
"""The smallest batch within 3 % of the best rate wins: larger ones only add waiting and memory."""


def probe_batch(
    rate_of: Callable[[int], float], *, no_memory: type[BaseException], sizes: Sequence[int] = SIZES
) -> int:
    """Return the batch size to use.

    Args:
        rate_of: Measures items a second at a batch size; raises `no_memory` where it does not fit.
        no_memory: What it raises then.
        sizes: Sizes to try, rising; the smallest is taken when not even that fits.
    """
    rates: dict[int, float] = {}
    for size in sizes:
        try:
            rates[size] = rate_of(size)
        except no_memory:
            break
        if rates[size] < 0.9 * max(rates.values()):  # past the top
            break
    if not rates:
        return sizes[0]
    best = max(rates.values())
    return next(size for size in sizes if rates.get(size, 0.0) >= GOOD_ENOUGH * best)


def run_in_halves(
    run: Callable[[Sequence[T]], list[object]], items: Sequence[T], *, no_memory: type[BaseException]
) -> list[object]:
    """Run items in one call, or, when memory does not suffice, in two halves, and so on down to single items.

    Raises:
        BaseException: `no_memory`, when a single item does not fit.
    """
    try:
        return run(items)
    except no_memory:
        if len(items) == 1:
            raise
    middle = len(items) // 2
    return [
        *run_in_halves(run, items[:middle], no_memory=no_memory),
        *run_in_halves(run, items[middle:], no_memory=no_memory),
    ]


def bucket_of(count: int, batch: int) -> int:
    """Return the size that a call of `count` items is filled up to: the next power of two, at most `batch`.

    Few sizes mean few recorded graphs, and answers that do not depend on how full a batch happens to be.

    Example:
        >>> [bucket_of(count, 48) for count in (1, 3, 8, 33, 48)]
        [1, 4, 8, 48, 48]
    """
    size = 1
    while size < count:
        size *= 2
    return min(size, batch)

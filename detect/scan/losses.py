"""Rows for every chunk although what judges them is lost on the way: what is missing is handed out again.

Nothing here knows Ray. A run takes chunks and gives rows in any order; it may break off with `RunLostError` at any
moment, because an actor, its process or a whole node is gone. Rows that came before that count, the others are asked
for again, so that a loss costs what was under way and doubles nothing. A chunk under which runs break off even when it
is alone is taken apart; the one file of it that ends every process gets a row that says so.
"""

from __future__ import annotations

import itertools
import logging
import pickle
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from detect.errors import EngineError
from detect.scan.items import Item
from detect.scan.rows import Row, left_out_row

log = logging.getLogger(__name__)

MAX_DEATHS = 3
"""Runs that may break off over one chunk alone before it is called the cause."""
_PAUSE_S = 2.0
"""After each loss without any row, and longer after each further one: a cluster takes a moment to see what is gone."""
_CHECK_PAUSES_S = (0.0, 5.0, 15.0, 30.0)

Run = Callable[[Mapping[int, bytes]], Iterator[tuple[int, list[Row]]]]
"""Pickled chunks by number in, numbers with the rows of their chunks out, in any order."""


class RunLostError(Exception):
    """A run broke off because something that judges is gone; internal, the text says what."""


def judge_through(
    chunks: Sequence[bytes], run: Run, *, pause: Callable[[float], None] = time.sleep
) -> Iterator[list[Row]]:
    """Yield the rows of each chunk, in the order of the chunks, whatever is lost.

    Args:
        chunks: Lists of items, pickled.
        run: Judges; called again after each loss with what is missing.
        pause: Waits some seconds.

    Raises:
        EngineError: Runs break off although nothing is handed to them: there is nobody left who could judge.
    """
    missing = dict(enumerate(chunks))
    held: dict[int, list[Row]] = {}
    given, losses, alone, width = 0, 0, 0, len(chunks)
    while missing:
        left = len(missing)
        piece = dict(itertools.islice(missing.items(), width))
        try:
            for number, rows in _whole(run, piece):
                del missing[number]
                held[number] = rows
                while given in held:
                    yield held.pop(given)
                    given += 1
            losses, alone, width = 0, 0, 2 * width  # trust comes back by degrees
        except RunLostError as loss:
            losses = 1 if len(missing) < left else losses + 1
            alone = alone + 1 if len(piece) == 1 else 0  # a run that others shared says nothing about who ended it
            log.warning("%s; %d of %d chunks are handed out again", loss, len(missing), len(chunks))
            if losses == 1:
                continue
            pause(_PAUSE_S * losses)
            if len(piece) > 1:
                losses, width = 0, 1  # one of them may be the cause; alone, each shows whether it is
            elif alone >= MAX_DEATHS:
                _check(run, loss, pause)
                number, chunk = piece.popitem()
                del missing[number]
                held[number] = _take_apart(chunk, run, pause)
                losses = alone = 0
        while given in held:
            yield held.pop(given)
            given += 1


def _whole(run: Run, piece: Mapping[int, bytes]) -> Iterator[tuple[int, list[Row]]]:
    """Pass on what a run gives, each chunk once; one that ends before it has given all counts as broken off."""
    asked = set(piece)
    for number, rows in run(piece):
        if number in asked:  # whoever does work again after a loss may give it twice
            asked.discard(number)
            yield number, rows
    if asked:
        raise RunLostError(f"a run ended without {len(asked)} of its chunks")


def _check(run: Run, loss: RunLostError, pause: Callable[[float], None]) -> None:
    """Make sure that a run with nothing to do ends well: before a file is blamed, the cluster must be sound."""
    empty = {0: pickle.dumps([])}
    for pause_s in _CHECK_PAUSES_S:
        pause(pause_s)
        try:
            list(_whole(run, empty))
        except RunLostError as found:
            loss = found
        else:
            return
    raise EngineError(f"the cluster cannot judge: {loss}; the same command goes on from the last checkpoint") from loss


def _take_apart(chunk: bytes, run: Run, pause: Callable[[float], None]) -> list[Row]:
    """Return the rows of a chunk that ends those who judge it: its files one by one, or the row of the one it is."""
    items: list[Item] = pickle.loads(chunk)  # noqa: S301 - written by `detect.scan.ray`
    if len(items) == 1:
        return [left_out_row(items[0].name, MAX_DEATHS)]
    alone = [pickle.dumps([item]) for item in items]
    return list(itertools.chain.from_iterable(judge_through(alone, run, pause=pause)))

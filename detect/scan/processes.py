"""Processes of this machine as the scan sees them: fed, heard in order, replaced when one dies.

A file whose process dies is tried again; one that was under way at three deaths, the last time alone, is the cause and
gets a row that says so. So a killed worker loses nothing and doubles nothing.
"""

from __future__ import annotations

import logging
import multiprocessing
import multiprocessing.connection as connections
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from detect.analyzer import AnalyzerSettings
from detect.engine.local import usable_cores
from detect.errors import EngineError
from detect.networks.device import list_devices
from detect.scan.items import Item
from detect.scan.rows import Row, left_out_row
from detect.scan.worker import serve

log = logging.getLogger(__name__)

MAX_DEATHS = 3
"""Deaths of its process after which a file is called the cause; the last try runs alone."""
_AHEAD = 2
"""Chunks that a process holds: one in work and one so that it never waits."""
_MAX_FAILED_STARTS = 3


@dataclass
class _Chunk:
    """Items handed out together, and their rows as they come in."""

    items: list[Item]
    rows: list[Row | None]
    left: int
    deaths: list[int]


Place = tuple[int, int]
"""Number of a chunk, and of an item in it."""


@dataclass
class _Worker:
    process: multiprocessing.process.BaseProcess
    link: connections.Connection
    device: str
    is_ready: bool = False
    under_way: set[Place] = field(default_factory=set)


class Processes:
    """A pool of judging processes; use it in `with`.

    Args:
        settings: Every knob of the analysis.
        known: Database of `KnownContents`.
        count: How many; 0 = see `default_processes`.
        chunk_items: Files handed over at once, as the chunks are made.
        target: What runs in each process; see `detect.scan.worker.serve` for its messages.
    """

    def __init__(
        self,
        settings: AnalyzerSettings,
        *,
        known: Path,
        count: int = 0,
        chunk_items: int = 16,
        target: Callable[..., None] = serve,
    ) -> None:
        devices = list_devices(settings.device)
        self.count = count or default_processes(devices)
        self._target = target
        self._settings = settings
        self._known = known
        self._room = _AHEAD * chunk_items
        self._lanes = max(1, usable_cores() // self.count)
        self._context = multiprocessing.get_context("spawn")  # a fork would copy threads' locks
        self._failed_starts = 0
        self._workers = [self._start(devices[number % len(devices)]) for number in range(self.count)]
        self._chunks: dict[int, _Chunk] = {}
        self._again: deque[Place] = deque()
        self._alone: deque[Place] = deque()

    def run(self, chunks: Iterable[list[Item]]) -> Iterator[list[Row]]:
        """Yield the rows of each chunk, in the order of the chunks; few chunks are under way at a time.

        Raises:
            EngineError: Processes cannot be started, or the model cannot be loaded.
        """
        source = enumerate(chunks)
        window = 2 * _AHEAD * self.count
        given, is_open = 0, True
        while is_open or given in self._chunks:
            while is_open and len(self._chunks) < window and self._has_room():
                try:
                    number, items = next(source)
                except StopIteration:
                    is_open = False
                    break
                self._chunks[number] = _Chunk(items, [None] * len(items), len(items), [0] * len(items))
                self._again.extend((number, index) for index in range(len(items)))
                self._hand_out()
            self._hand_out()
            if self._chunks and self._chunks[min(self._chunks)].left:
                self._listen()
            while given in self._chunks and not self._chunks[given].left:
                yield [row for row in self._chunks.pop(given).rows if row is not None]
                given += 1

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.link.close()
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(5)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [worker.process.pid or 0 for worker in self._workers]

    def _start(self, device: str) -> _Worker:
        ours, theirs = self._context.Pipe()
        settings = replace(self._settings, device=device)
        process = self._context.Process(
            target=self._target, args=(theirs, settings, self._lanes, self._known), name="witnessmark-scan", daemon=True
        )
        process.start()
        theirs.close()
        return _Worker(process, ours, device)

    def _has_room(self) -> bool:
        return not self._alone and any(len(worker.under_way) < self._room for worker in self._workers)

    def _hand_out(self) -> None:
        """Give waiting items to the workers with the fewest; a suspect only to one that holds nothing else."""
        if self._alone:
            for worker in self._workers:
                if self._alone and worker.is_ready and not worker.under_way:
                    self._send(worker, [self._alone.popleft()])
            return
        while self._again:
            worker = min(self._workers, key=lambda worker: len(worker.under_way))
            room = self._room - len(worker.under_way)
            if room <= 0:
                return
            count = min(room, max(1, self._room // _AHEAD), len(self._again))
            self._send(worker, [self._again.popleft() for _ in range(count)])

    def _send(self, worker: _Worker, places: list[Place]) -> None:
        worker.under_way.update(places)
        try:
            worker.link.send([(place, self._chunks[place[0]].items[place[1]]) for place in places])
        except OSError:  # it died; `_listen` finds out and hands its items on
            log.debug("a judging process ended before it could be handed more")

    def _listen(self) -> None:
        """Wait for messages and take them all in."""
        ready = connections.wait([worker.link for worker in self._workers])
        for number, worker in enumerate(self._workers):
            if worker.link not in ready:
                continue
            try:
                while worker.link.poll():
                    self._take(worker, worker.link.recv())
            except (EOFError, OSError):
                self._workers[number] = self._replace(worker)

    def _take(self, worker: _Worker, message: tuple[object, ...]) -> None:
        match message:
            case ("ready",):
                worker.is_ready, self._failed_starts = True, 0
            case ("failed", code, text):
                raise EngineError(f"no file can be judged: {text} [{code}]")
            case ("row", (int(number), int(index)), dict(row)):
                worker.under_way.discard((number, index))
                self._put(number, index, row)

    def _put(self, number: int, index: int, row: Row) -> None:
        chunk = self._chunks[number]
        chunk.rows[index] = row
        chunk.left -= 1

    def _replace(self, worker: _Worker) -> _Worker:
        """Start another process for one that died, and see to the items it had."""
        worker.link.close()
        worker.process.join(10)
        self._failed_starts += not worker.is_ready
        if self._failed_starts >= _MAX_FAILED_STARTS:
            raise EngineError(
                f"{_MAX_FAILED_STARTS} judging processes in a row ended while starting "
                f"(exit code {worker.process.exitcode}); free memory, or use fewer with --processes"
            )
        log.warning(
            "a judging process ended with exit code %s; its %d files are tried again",
            worker.process.exitcode,
            len(worker.under_way),
        )
        for number, index in sorted(worker.under_way, reverse=True):
            chunk = self._chunks[number]
            chunk.deaths[index] += worker.is_ready
            if chunk.deaths[index] >= MAX_DEATHS:
                self._put(number, index, left_out_row(chunk.items[index].name, MAX_DEATHS))
            elif chunk.deaths[index] == MAX_DEATHS - 1:
                self._alone.append((number, index))
            else:
                self._again.appendleft((number, index))
        return self._start(worker.device)


def default_processes(devices: list[str]) -> int:
    """Return the number of judging processes: one a core, or with GPUs half the cores and at least one a GPU.

    One process keeps a core busy around the model (reading, hashing, evidence), so a GPU needs several.
    """
    if devices == ["cpu"]:
        return usable_cores()
    return max(len(devices), usable_cores() // 2)

"""The default engine: lanes of this machine's devices, fed in micro-batches that mix the items of all callers.

    engine = LocalEngine()
    maps = engine.run(scorer, patches)      # from any number of threads

A device has lanes, which are threads: a GPU two, so that one copies while the other computes, a CPU one a core. A lane
takes the oldest items that may share a call, up to the model's batch, whoever asked for them. Models answer without the
interpreter's lock, so lanes run at the same time, and a caller's items spread over all of them.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from detect.errors import EngineError
from detect.networks.batches import BatchModel

GPU_LANES = 2
FILL_WAIT_S = 0.002
"""A GPU's lane waits so long for a fuller batch: less than one forward pass of the smallest shipped model."""


class LocalEngine:
    """Runs models in this process.

    Args:
        cpu_lanes: Calls that run at the same time on the CPU, each on one core; default: the cores that this process
            may use.
        fill_wait_s: Longest wait of a GPU's lane for a fuller batch, seconds.
    """

    def __init__(self, *, cpu_lanes: int | None = None, fill_wait_s: float = FILL_WAIT_S) -> None:
        self.cpu_lanes = cpu_lanes or usable_cores()
        self.fill_wait_s = fill_wait_s
        self._lock = threading.Lock()
        self._queues: dict[str, _Queue] = {}
        self._is_closed = False
        self._owner = os.getpid()

    def run(self, model: BatchModel, items: Sequence[Any]) -> list[Any]:
        """Return one answer an item, in order; see `Engine.run`."""
        if not items:
            return []
        order = _Order(len(items))
        self._queue(model.device).add(model, items, order)
        return order.wait()

    def lanes(self, device: str) -> int:
        """Return how many calls run at the same time on a device."""
        return self.cpu_lanes if device == "cpu" else GPU_LANES

    @property
    def load(self) -> Mapping[str, int]:
        """Items that wait, per device: what back-pressure and metrics look at."""
        with self._lock:
            return MappingProxyType({device: queue.waiting for device, queue in self._queues.items()})

    def close(self) -> None:
        """Finish what waits and end the lanes; later calls are refused."""
        with self._lock:
            self._is_closed = True
            queues = list(self._queues.values())
        for queue in queues:
            queue.close()

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _queue(self, device: str) -> _Queue:
        with self._lock:
            if self._is_closed:
                raise EngineError("the engine was closed; make a new Analyzer")
            if self._owner != os.getpid():  # threads do not survive a fork: start over
                self._queues, self._owner = {}, os.getpid()
            if device not in self._queues:
                wait_s = 0.0 if device == "cpu" else self.fill_wait_s
                self._queues[device] = _Queue(device, lanes=self.lanes(device), fill_wait_s=wait_s)
            return self._queues[device]


class _Order:
    """What one caller asked for: answers come in from any lane, the first error ends it."""

    def __init__(self, count: int) -> None:
        self._answers: list[Any] = [None] * count
        self._open = count
        self._lock = threading.Lock()
        self._done = threading.Event()
        self.error: BaseException | None = None

    def put(self, index: int, answer: Any) -> None:
        with self._lock:
            self._answers[index] = answer
            self._open -= 1
            is_done = self._open == 0
        if is_done:
            self._done.set()

    def fail(self, error: BaseException) -> None:
        self.error = error
        self._done.set()

    def wait(self) -> list[Any]:
        self._done.wait()
        if self.error is not None:
            raise self.error
        return self._answers


_Key = tuple[int, Hashable]
_Entry = tuple[BatchModel, Any, _Order, int]


class _Queue:
    """One device: items by what may share a call, and the lanes that take them."""

    def __init__(self, device: str, *, lanes: int, fill_wait_s: float) -> None:
        self._fill_wait_s = fill_wait_s
        self._changed = threading.Condition()
        self._groups: OrderedDict[_Key, deque[_Entry]] = OrderedDict()
        self._is_closing = False
        self.waiting = 0
        self._lanes = [
            threading.Thread(target=self._serve, name=f"lane-{device}-{number}", daemon=True) for number in range(lanes)
        ]
        for lane in self._lanes:
            lane.start()

    def add(self, model: BatchModel, items: Sequence[Any], order: _Order) -> None:
        with self._changed:
            for index, item in enumerate(items):
                key = (id(model), model.group(item))
                self._groups.setdefault(key, deque()).append((model, item, order, index))
            self.waiting += len(items)
            self._changed.notify(len(items))

    def close(self) -> None:
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        for lane in self._lanes:
            lane.join()

    def _serve(self) -> None:
        while (entries := self._take()) is not None:
            _run(entries)

    def _take(self) -> list[_Entry] | None:
        """Return the items of the next call, or None when the queue has closed and is empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._groups or self._is_closing)
            if not self._groups:
                return None
            key = next(iter(self._groups))
            wanted = self._groups[key][0][0].batch
            if self._fill_wait_s:
                self._wait_until(lambda: self._is_closing or len(self._groups.get(key, ())) >= wanted)
                if key not in self._groups:
                    return []
            group = self._groups[key]
            entries = [group.popleft() for _ in range(min(wanted, len(group)))]
            if group:
                self._groups.move_to_end(key)  # each group in its turn, so that no model waits for another's backlog
            else:
                del self._groups[key]
            self.waiting -= len(entries)
            return entries

    def _wait_until(self, is_full: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self._fill_wait_s
        while not is_full() and (left := deadline - time.monotonic()) > 0:
            self._changed.wait(left)


def _run(entries: list[_Entry]) -> None:
    """Run one call and hand its answers, or its error, to those who asked."""
    # Orders that already failed have nobody waiting.
    alive = [entry for entry in entries if entry[2].error is None]
    if not alive:
        return
    try:
        answers = alive[0][0].run([item for _, item, _, _ in alive])
        if len(answers) != len(alive):
            raise EngineError(f"the model gave {len(answers)} answers to {len(alive)} items")
    except BaseException as error:  # goes to the callers, the lane lives on
        for _, _, order, _ in alive:
            order.fail(error)
        return
    for (_, _, order, index), answer in zip(alive, answers, strict=True):
        order.put(index, answer)


def usable_cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


_shared_lock = threading.Lock()
_shared: LocalEngine | None = None


def shared_engine() -> LocalEngine:
    """Return the engine that all Analyzers of this process use unless they are given another: cores exist once."""
    global _shared
    with _shared_lock:
        if _shared is None:
            _shared = LocalEngine()
        return _shared

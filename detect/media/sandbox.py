"""Run decoders on untrusted bytes in guarded child processes that can be killed, starved and replaced.

    payload = SANDBOX.call("detect.media.pixels:decode", {"path": path, ...}, limits=limits)
    for item in SANDBOX.stream("detect.media.frames:read_video", arguments, limits=limits): ...

A child is a fresh interpreter (never a fork of a process that holds torch) with limits on memory, processor time and
open files; it cannot write files and, on Linux, has no network. Arguments go in as JSON, facts and arrays come back
(`detect.media.wire`), nothing is pickled. Each concurrent caller has a child of its own; a free one is used again, so a
call costs a few milliseconds. A child that crashes, hangs or runs out of memory is one named error; the next call gets
a new child. Safe for several threads and for processes that fork.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from detect.errors import ConfigError, EngineError
from detect.media.limits import DEFAULT_LIMITS, Limits
from detect.media.wire import Payload
from detect.media.worker import Worker

MAX_CALLS = 1000
"""Calls after which a child is replaced, so that what a C library leaks stays bounded; costs 0.3 ms a call."""

MAX_TRIES = 5
"""Children that may be found dead one after the other before the system, not the file, is called broken."""


class Sandbox:
    """A pool of guarded children.

    There is no upper bound on children, because a caller that streams from one may need a second at the same time; the
    number of calling threads is the bound.

    Example:
        >>> with Sandbox() as sandbox:
        ...     sandbox.call("detect.media.wire:Payload", {"facts": {"answer": 42}}).facts["answer"]
        42
    """

    def __init__(
        self,
        *,
        packages: tuple[str, ...] = ("detect.media",),
        max_idle: int | None = None,
        max_calls: int = MAX_CALLS,
    ) -> None:
        """Create an empty pool; children start at the first call.

        Args:
            packages: Where callable functions may live; the child refuses any other name.
            max_idle: Children kept between calls; default: one a processor core.
            max_calls: Calls after which a child is replaced; 1 gives every file a child of its own (0.3 s each).
        """
        self._packages = packages
        self._max_idle = max_idle if max_idle is not None else os.cpu_count() or 1
        self._max_calls = max_calls
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        _ALL.add(self)

    def call(self, function: str, arguments: Mapping[str, Any], *, limits: Limits = DEFAULT_LIMITS) -> Payload:
        """Run `package.module:name` in a child and return its `Payload`.

        Args:
            function: A function that returns a `Payload`, or a generator of them (then use `stream`).
            arguments: Keyword arguments, JSON-ready.
            limits: Seconds, processor seconds and memory for this call.

        Raises:
            MediaError: What the function raised, under its own class.
            CorruptMediaError: The function raised anything else, or the child crashed.
            DecodeTimeoutError: Over `decode_timeout_s` or `decode_cpu_s`.
            MediaTooLargeError: Over `max_memory_bytes`, or killed from outside (out of memory).
            EngineError: No child can be started.
            ConfigError: The function is outside the allowed packages.
        """
        with self._begun(function, arguments, limits) as worker:
            return worker.answer(limits)

    def stream(
        self, function: str, arguments: Mapping[str, Any], *, limits: Limits = DEFAULT_LIMITS
    ) -> Iterator[Payload]:
        """Run a generator function in a child and yield its Payloads as they come.

        The pipe holds about one megabyte, so the child works ahead by one item at most and memory stays constant.
        `decode_timeout_s` and `decode_cpu_s` count from the request of each item to its arrival. Closing the iterator
        early ends the child.

        Raises:
            MediaError: As `call`, in the middle of the iteration.
        """
        with self._begun(function, arguments, limits) as worker:
            yield from worker.answers(limits)

    def warm(self, function: str) -> None:
        """Start a child for that function in the background, so that the first call does not wait for it."""
        module = function.partition(":")[0]
        with self._lock:
            if any(worker.module == module for worker in self._idle):
                return
        self._give(self._start(module))

    def close(self) -> None:
        """End all children; the pool can be used again afterwards."""
        with self._lock:
            workers = [*self._idle, *self._busy]
            self._idle.clear()
            self._busy.clear()
        for worker in workers:
            worker.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def _begun(self, function: str, arguments: Mapping[str, Any], limits: Limits) -> Iterator[Worker]:
        """Lend a child that has begun the call; take it back, or end it when its call did not come to an end."""
        module = function.partition(":")[0]
        if not any(module == package or module.startswith(package + ".") for package in self._packages):
            raise ConfigError(f"{function} is outside {', '.join(self._packages)}; only those run in the child")
        for _ in range(MAX_TRIES):
            worker = self._take(module)
            try:
                if worker.begin(function, arguments, limits):
                    yield worker
                    return
            finally:
                self._give(worker)
        raise EngineError(f"{MAX_TRIES} decoder processes in a row ended before they could begin; free memory")

    def _take(self, module: str) -> Worker:
        """Return a free child that has loaded the module, the last used one first, or a new one; mark it busy."""
        dead: list[Worker] = []
        found = None
        with self._lock:
            for worker in [worker for worker in reversed(self._idle) if worker.module == module]:
                self._idle.remove(worker)
                if worker.is_usable:
                    found = worker
                    self._busy.add(worker)
                    break
                dead.append(worker)
        for worker in dead:
            worker.close()
        return found or self._start(module)

    def _start(self, module: str) -> Worker:
        """Start a child that loads one module first."""
        try:
            worker = Worker(module, self._packages)
        except OSError as error:
            raise EngineError(f"no decoder process can be started: {error}; free memory or processes") from error
        with self._lock:
            self._busy.add(worker)
        return worker

    def _give(self, worker: Worker) -> None:
        """Take a child back; keep it when it is in order and there is room, the longest unused one leaves first."""
        leaving: list[Worker] = []
        with self._lock:
            mine = worker in self._busy
            self._busy.discard(worker)
            if mine and worker.is_usable and worker.calls < self._max_calls:
                self._idle.append(worker)
                if len(self._idle) > self._max_idle:
                    leaving.append(self._idle.pop(0))
            else:
                leaving.append(worker)
        for gone in leaving:
            gone.close()

    def _forget(self) -> None:
        """In a forked process: let go of the parent's children without ending them."""
        self._lock = threading.Lock()
        workers = [*self._idle, *self._busy]
        self._idle, self._busy = [], set()
        for worker in workers:
            worker.abandon()


_ALL: weakref.WeakSet[Sandbox] = weakref.WeakSet()


def _on_all(action: Callable[[Sandbox], None]) -> None:
    for sandbox in list(_ALL):
        action(sandbox)


atexit.register(_on_all, Sandbox.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _on_all(Sandbox._forget))

SANDBOX = Sandbox()
"""The pool that `decode_image` and its relatives share."""

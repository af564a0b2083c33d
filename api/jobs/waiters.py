"""Calls that wait for jobs (`Prefer: wait=N`): told at once by this process's worker, found by looking otherwise."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator

from fastapi.concurrency import run_in_threadpool

from api.database import Analysis
from api.jobs.store import JobStore


class Listener:
    """One call that waits for one job."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.row: Analysis | None = None
        self.is_waiting = False  # before, its job may not be in the database yet

    async def wait(self, timeout_s: float) -> Analysis | None:
        """Return the ended job; None when the time is over, or when another process ended it: then it must be read."""
        self.is_waiting = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self.ended.wait()
        return self.row


class Waiters:
    """Who waits for which job; one look at the database serves all of them."""

    def __init__(self, store: JobStore, poll_s: float) -> None:
        self._store = store
        self._poll_s = poll_s
        self._waiting: dict[str, set[Listener]] = defaultdict(set)
        self._loop: asyncio.AbstractEventLoop | None = None

    def bind(self) -> None:
        """Remember the running loop, so that worker threads can tell it."""
        self._loop = asyncio.get_running_loop()

    def tell(self, row: Analysis) -> None:
        """Say from any thread that a job has ended."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._wake, row.id, row)

    @contextlib.contextmanager
    def listen(self, job_id: str) -> Iterator[Listener]:
        """Listen for the end of a job; begin before the job is read or made, and its end cannot be missed."""
        listener = Listener()
        self._waiting[job_id].add(listener)
        try:
            yield listener
        finally:
            self._waiting[job_id].discard(listener)
            if not self._waiting[job_id]:
                del self._waiting[job_id]

    async def run(self) -> None:
        """Look for jobs that other processes ended, for as long as the service runs."""
        while True:
            await asyncio.sleep(self._poll_s)
            waiting = [job_id for job_id, found in self._waiting.items() if any(item.is_waiting for item in found)]
            if waiting:
                for job_id in await run_in_threadpool(self._store.finished, waiting):
                    self._wake(job_id, None)

    def _wake(self, job_id: str, row: Analysis | None) -> None:
        for listener in self._waiting.get(job_id, ()):
            listener.row = row
            listener.ended.set()

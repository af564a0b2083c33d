"""Calls that wait for jobs (`Prefer: wait=N`): told at once by this process's worker, found by looking otherwise."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from fastapi.concurrency import run_in_threadpool

from api.jobs.store import JobStore


class Waiters:
    """Who waits for which job; one look at the database serves all of them."""

    def __init__(self, store: JobStore, poll_s: float) -> None:
        self._store = store
        self._poll_s = poll_s
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._loop: asyncio.AbstractEventLoop | None = None

    def bind(self) -> None:
        """Remember the running loop, so that worker threads can tell it."""
        self._loop = asyncio.get_running_loop()

    def tell(self, job_id: str) -> None:
        """Say from any thread that a job has ended."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake, job_id)

    async def wait(self, job_id: str, timeout_s: float) -> None:
        """Return when the job has ended or the time is over."""
        event = asyncio.Event()
        self._waiting[job_id].add(event)
        try:
            # It may have ended before this call began to listen.
            if await run_in_threadpool(self._store.finished, [job_id]):
                return
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            pass
        finally:
            self._waiting[job_id].discard(event)
            if not self._waiting[job_id]:
                del self._waiting[job_id]

    async def run(self) -> None:
        """Look for ended jobs for as long as the service runs."""
        while True:
            await asyncio.sleep(self._poll_s)
            if self._waiting:
                for job_id in await run_in_threadpool(self._store.finished, list(self._waiting)):
                    self._wake(job_id)

    def _wake(self, job_id: str) -> None:
        for event in self._waiting.get(job_id, ()):
            event.set()

"""Everything a running service holds, in one place that routes reach through the request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar, cast

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from api.blobs import BlobStore
from api.database import Database
from api.jobs.store import JobStore
from api.jobs.waiters import Waiters
from api.jobs.worker import Worker
from api.keys import KeyStore
from api.metrics import Metrics
from api.ratelimit import Limiter
from api.remote import RemoteFetcher
from api.settings import Settings
from api.tracing import Tracing

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Service:
    """The parts of one application.

    Attributes:
        worker: None when workers run as processes of their own.
        drawing: How many drawings (heat maps, PDF, stills) may run at once; the others wait without a thread.
        drain_until: End of the time that a shutdown gives, monotonic; None while the service runs.
    """

    settings: Settings
    database: Database
    store: JobStore
    blobs: BlobStore
    keys: KeyStore
    limiter: Limiter
    waiters: Waiters
    metrics: Metrics
    fetcher: RemoteFetcher
    worker: Worker | None
    tracing: Tracing
    drawing: asyncio.Semaphore
    drain_until: float | None = None

    @property
    def is_draining(self) -> bool:
        """Whether the service is shutting down."""
        return self.drain_until is not None

    async def draw(self, work: Callable[P, T], *given: P.args, **options: P.kwargs) -> T:
        """Run a drawing in a thread, once there is room for it."""
        async with self.drawing:
            return await run_in_threadpool(work, *given, **options)

    def drain(self) -> None:
        """Take no new work from now on; what is under way has `drain_s` to end."""
        if self.drain_until is None:
            self.drain_until = time.monotonic() + self.settings.drain_s
            if self.worker is not None:
                self.worker.drain()

    @property
    def drain_left_s(self) -> float:
        """Seconds that are left to what is under way."""
        until = time.monotonic() if self.drain_until is None else self.drain_until
        return max(0.0, until - time.monotonic())


def service_of(request: Request) -> Service:
    """Return the service that a request came to."""
    return cast(Service, request.app.state.service)

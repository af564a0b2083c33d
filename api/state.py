"""Everything a running service holds, in one place that routes reach through the request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from fastapi import Request

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


@dataclass
class Service:
    """The parts of one application; `worker` is None when workers run as processes of their own."""

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
    is_draining: bool = False


def service_of(request: Request) -> Service:
    """Return the service that a request came to."""
    return cast(Service, request.app.state.service)

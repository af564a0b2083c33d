"""The application: parts put together, started and drained."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.middleware.cors import CORSMiddleware
from fastapi.staticfiles import StaticFiles

import detect
from api import problems
from api.blobs import BlobStore
from api.database import Database
from api.jobs.background import Background
from api.jobs.store import JobStore
from api.jobs.waiters import Waiters
from api.jobs.worker import Judge, Worker
from api.keys import KeyStore
from api.metrics import Metrics
from api.middleware import Envelope
from api.openapi import allowed_methods, describe
from api.page import STATIC
from api.ratelimit import Limiter
from api.remote import RemoteFetcher
from api.routes import analyses, batches, health, keys, models, page, provenance, views
from api.settings import Settings
from api.state import Service
from api.tracing import make_tracing

DRAWINGS_AT_ONCE = 4
SUMMARY = "Was this picture, clip or recording made by a machine? One authenticity score with its evidence."


def make_analyzer(settings: Settings) -> Judge:
    """Return the Analyzer that the settings describe; its models load, or its replicas start, at first use."""
    from detect.analyzer import Analyzer, AnalyzerSettings

    knobs = AnalyzerSettings(
        max_false_positive_rate=settings.max_false_positive_rate,
        device=settings.device,
        check_stability=settings.check_stability,
        models_dir=settings.models_dir,
    )
    if settings.engine == "local":
        return cast(Judge, Analyzer(knobs))
    from detect.cluster.analyzer import RayAnalyzer, Replicas

    replicas = Replicas(
        fewest=settings.ray_min_replicas,
        most=settings.ray_max_replicas,
        cpus=settings.ray_cpus,
        gpus=settings.ray_gpus,
    )
    return RayAnalyzer(knobs, replicas=replicas, address=settings.ray_address or None)


def _warmed(judge: Judge) -> Judge:
    """Load the weights before the first call needs them, so that `readyz` tells the truth."""
    from detect.analyzer import Analyzer
    from detect.cluster.analyzer import RayAnalyzer

    if isinstance(judge, Analyzer):
        _ = judge.image_examiner
    if isinstance(judge, RayAnalyzer):
        judge.start()
    return judge


def make_fetcher(settings: Settings) -> RemoteFetcher:
    """Return the guarded client that the settings describe."""
    return RemoteFetcher(
        allow_http=settings.fetch_http, timeout_s=settings.fetch_timeout_s, max_bytes=settings.max_upload_bytes
    )


def make_service(
    settings: Settings,
    *,
    make_judge: Callable[[], Judge] | None = None,
    fetcher: RemoteFetcher | None = None,
    has_worker: bool = True,
) -> Service:
    """Put the parts of a service together; the database is brought up to date, nothing runs yet.

    Args:
        settings: All knobs.
        make_judge: Makes the Analyzer; tests bring a small one.
        fetcher: The guarded client; tests bring one with a table of names.
        has_worker: Whether this process also works the queue.
    """
    database = Database(settings.database)
    database.upgrade()
    make_judge = make_judge or (lambda: make_analyzer(settings))
    judge = make_judge()
    store = JobStore(database, settings, judge.fingerprint)
    blobs = BlobStore(settings.blobs)
    waiters = Waiters(store, settings.poll_s)
    metrics = Metrics()
    tracing = make_tracing(settings.otel)
    fetcher = fetcher or make_fetcher(settings)
    worker = None
    if has_worker:
        worker = Worker(
            store,
            blobs,
            settings,
            make_judge=lambda: _warmed(judge),
            fetcher=fetcher if settings.fetch_urls else None,
            metrics=metrics,
            tracing=tracing,
            on_finished=waiters.tell,
        )
    return Service(
        settings=settings,
        database=database,
        store=store,
        blobs=blobs,
        keys=KeyStore(database),
        limiter=Limiter(settings.rate_limit),
        waiters=waiters,
        metrics=metrics,
        fetcher=fetcher,
        worker=worker,
        tracing=tracing,
        drawing=asyncio.Semaphore(DRAWINGS_AT_ONCE),
    )


def create_app(settings: Settings | None = None, *, service: Service | None = None) -> FastAPI:
    """Return the ASGI application.

    Args:
        settings: All knobs; from the environment when left out.
        service: A service made by `make_service`, instead of the one that the settings describe.
    """
    service = service or make_service(settings or Settings())
    app = FastAPI(
        title="Witnessmark",
        summary=SUMMARY,
        version=detect.__version__,
        lifespan=_lifespan,
        docs_url=None,  # both pages of FastAPI load scripts from other hosts
        redoc_url=None,
        openapi_url="/openapi.json",
        separate_input_output_schemas=False,
    )
    app.state.service = service
    problems.install(app, lambda request: allowed_methods(app, request.url.path))
    for module in (analyses, views, batches, provenance, models, keys, health, page):
        app.include_router(module.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    describe(app)
    if service.settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=service.settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "X-API-Key", "Content-Type", "Prefer", "Idempotency-Key"],
            expose_headers=["Location", "Retry-After", "RateLimit", "RateLimit-Policy"],
        )
    app.add_middleware(Envelope, service=service)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service = cast(Service, app.state.service)
    service.waiters.bind()
    looking = asyncio.create_task(service.waiters.run())
    background = Background(service)
    if service.worker is not None:
        service.worker.start()
        background.start()
    try:
        yield
    finally:
        service.drain()
        if service.worker is not None:
            await run_in_threadpool(service.worker.stop, service.drain_left_s)
            await run_in_threadpool(background.stop)
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking
        await run_in_threadpool(service.tracing.close)
        service.database.close()


def openapi_json(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document as plain data."""
    return cast(dict[str, Any], json.loads(json.dumps(app.openapi())))

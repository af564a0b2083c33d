"""Run the service: HTTP with its worker, HTTP alone, or a worker alone."""

from __future__ import annotations

import logging
import signal
import threading
from typing import Literal

import uvicorn

from api.app import create_app, make_service
from api.jobs.background import Background
from api.logs import configure
from api.settings import Settings

log = logging.getLogger(__name__)
Role = Literal["all", "api", "worker"]


def serve(settings: Settings, role: Role = "all") -> None:
    """Run until a signal asks to stop; running jobs are given `drain_s` to end, the others stay queued."""
    configure(settings.log_level)
    if role == "worker":
        _work(settings)
        return
    app = create_app(settings, service=make_service(settings, has_worker=role == "all"))
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,  # the service writes its own line, without paths and names
        server_header=False,
        timeout_graceful_shutdown=max(1, int(settings.drain_s)),
        timeout_keep_alive=30,
    )


def _work(settings: Settings) -> None:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    service = make_service(settings)
    worker = service.worker
    if worker is None:
        raise RuntimeError("a service without a worker cannot work the queue")
    background = Background(service)
    worker.start()
    background.start()
    log.info("worker started")
    stopping.wait()
    is_done = worker.stop(settings.drain_s)
    background.stop()
    service.database.close()
    log.info("worker stopped" if is_done else "worker stopped before its jobs had ended; they are queued again")

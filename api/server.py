"""Run the service: HTTP with its worker, HTTP alone, or a worker alone."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType
from typing import Literal

import uvicorn

from api.app import create_app, make_service
from api.jobs.background import Background
from api.logs import configure
from api.settings import Settings
from api.state import Service

log = logging.getLogger(__name__)
Role = Literal["all", "api", "worker"]


def serve(settings: Settings, role: Role = "all") -> None:
    """Run until a signal asks to stop; running jobs are given `drain_s` to end, the others stay queued."""
    configure(settings.log_level)
    if role == "worker":
        _work(settings)
        return
    service = make_service(settings, has_worker=role == "all")
    config = uvicorn.Config(
        create_app(settings, service=service),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,  # the service writes its own line, without paths and names
        server_header=False,
        timeout_graceful_shutdown=max(1, int(settings.drain_s)),
        timeout_keep_alive=30,
    )
    Server(config, service).run()


class Server(uvicorn.Server):
    """Drains from the first signal on, not only once the last call has ended."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal."""
        self._service.drain()
        super().handle_exit(sig, frame)


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
    service.tracing.close()
    service.database.close()
    log.info("worker stopped" if is_done else "worker stopped before its jobs had ended; they are queued again")

"""What runs beside the worker: webhooks as they fall due, erasure once a minute."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from api.jobs.retention import Eraser
from api.jobs.webhooks import Sender

if TYPE_CHECKING:
    from api.state import Service

log = logging.getLogger(__name__)
ERASE_EVERY_S = 60.0
SENDERS = 4
"""Webhooks under way at once, so that one slow receiver does not keep the others waiting."""


class Background:
    """Threads that repeat small tasks until `stop`."""

    def __init__(self, service: Service) -> None:
        self._stopping = threading.Event()
        eraser = Eraser(service.database, service.blobs, service.settings)
        tasks: list[tuple[str, Callable[[], int], float]] = [("erase", eraser.run, ERASE_EVERY_S)]
        if service.settings.webhook_secrets and service.settings.webhooks:
            sender = Sender(service.database, service.settings, service.fetcher, service.metrics)
            tasks += [("webhooks", sender.send_due, max(0.5, service.settings.poll_s))] * SENDERS
        self._threads = [
            threading.Thread(target=self._repeat, args=(task, pause_s), name=name, daemon=True)
            for name, task, pause_s in tasks
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop after the task at hand."""
        self._stopping.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(5.0)

    def _repeat(self, task: Callable[[], int], pause_s: float) -> None:
        while not self._stopping.is_set():
            try:
                is_busy = task() > 0
            except Exception:  # the border of the thread: one failing round must not end all later ones
                log.exception("background task failed")
                is_busy = False
            if not is_busy:
                self._stopping.wait(pause_s)

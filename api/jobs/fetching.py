"""Fetching: threads of a worker that bring the files of URLs, so that a slow server delays nobody's analysis."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from api.blobs import BlobStore
from api.database import Analysis
from api.jobs.records import outcome_of
from api.jobs.store import JobStore
from api.remote import RemoteFetcher, RemoteFile
from api.settings import Settings

log = logging.getLogger(__name__)

_FETCH_AHEAD = 64
"""Fetched files that may wait to be judged; more would only fill the disk."""


class Fetching:
    """Claims jobs whose file lies at a URL, fetches it, and hands the job on to be judged.

    Args:
        worker: Name under which jobs are leased.
        fetcher: Brings the files.
        on_fetched: Called when a job waits to be judged.
        on_ended: Called with each job that ended here, because its file could not be brought.
    """

    def __init__(
        self,
        worker: str,
        store: JobStore,
        blobs: BlobStore,
        settings: Settings,
        fetcher: RemoteFetcher,
        *,
        on_fetched: Callable[[], None],
        on_ended: Callable[[Analysis | None], None],
    ) -> None:
        self.held: dict[str, float] = {}
        """Id of each job under way -> when it was claimed, monotonic."""
        self._worker = worker
        self._store = store
        self._blobs = blobs
        self._settings = settings
        self._fetcher = fetcher
        self._on_fetched = on_fetched
        self._on_ended = on_ended
        self._news = threading.Event()

    def wake(self) -> None:
        """Say that a job waits, or that the end is near."""
        self._news.set()

    def run(self, stopping: threading.Event) -> None:
        """Fetch until `stopping` is set; several threads may do so."""
        while not stopping.is_set():
            self._news.clear()
            if (job := self._next()) is not None:
                self._fetch(job)
            else:
                self._news.wait(self._settings.poll_s)

    def _next(self) -> Analysis | None:
        try:
            if self._store.backlog("analyze", most=_FETCH_AHEAD) >= _FETCH_AHEAD:
                return None
            turn = self._store.turn(self._worker, stage="fetch", limit=1)
        except Exception:
            log.exception("claiming a fetch failed")
            return None
        for row in turn.lost:
            self._on_ended(row)
        return next(iter(turn.claimed), None)

    def _fetch(self, job: Analysis) -> None:
        self.held[job.id] = time.monotonic()
        try:
            with self._fetcher.fetch(job.source_url or "") as remote:
                self._hand_on(job, remote)
        except Exception as error:  # the border: whatever the other side does is how this job ends
            self._on_ended(self._store.turn(self._worker, ended=[(job, outcome_of(error, job))]).ended[0])
        finally:
            del self.held[job.id]

    def _hand_on(self, job: Analysis, remote: RemoteFile) -> None:
        stored = self._blobs.put(remote.stream, max_bytes=self._settings.max_upload_bytes)
        if self._store.fetched(job, blob=stored.blob, sha256=stored.sha256, size=stored.size, name=remote.name):
            self._on_fetched()
        else:
            self._blobs.erase(stored.blob)

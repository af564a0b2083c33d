"""The worker: claims jobs, keeps their leases alive, judges them in a stream, and ends each exactly once.

Under load the stream never runs dry: while the model judges one file, the analyzer's threads open and decode the next
ones, across requests (`Analyzer.analyze_many`). When the queue is empty the stream ends, so that no result waits for
the next arrival.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, Protocol, cast

from api.blobs import BlobStore
from api.database import Analysis, new_id
from api.jobs.store import JobStore, Outcome
from api.metrics import Metrics
from api.remote import RemoteFetcher, RemoteFile
from api.settings import Settings
from detect.errors import WitnessmarkError
from detect.types import Report

log = logging.getLogger(__name__)

_INTERNAL = Outcome(
    error_code="internal_error", error_detail="the analysis failed; the operator can see why in the log"
)
_STREAM_MAX_HELD = 64


class Judge(Protocol):
    """What the service needs of `detect.analyzer.Analyzer`; tests bring a small one."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what decides a Report besides the file."""

    def analyze(self, file: BinaryIO, *, name: str | None = None) -> Report:
        """Return the Report of one file, or raise a WitnessmarkError."""

    def analyze_many(self, files: Iterable[BinaryIO]) -> Iterator[Report]:
        """Yield one Report a file in the order given; a file that fails yields a Report with `error`."""


class BlobFile:
    """A stored upload as a lazy file object: opened at the first read, in the thread that decodes it."""

    def __init__(self, blobs: BlobStore, job: Analysis) -> None:
        self._blobs = blobs
        self._blob = job.blob or ""
        self._stream: BinaryIO | None = None
        self.name = job.name or "file"

    def read(self, size: int = -1, /) -> bytes:
        """Read from the stored file."""
        if self._stream is None:
            self._stream = self._blobs.open(self._blob)
        return self._stream.read(size)

    def close(self) -> None:
        """Close the stored file."""
        if self._stream is not None:
            self._stream.close()


class Worker:
    """Threads that work the queue until `stop`; any number of workers share one database.

    Args:
        on_finished: Called with the id of each job that ended, from a worker's thread.
    """

    def __init__(
        self,
        store: JobStore,
        blobs: BlobStore,
        settings: Settings,
        *,
        make_judge: Callable[[], Judge],
        fetcher: RemoteFetcher | None = None,
        metrics: Metrics | None = None,
        on_finished: Callable[[str], None] = lambda job_id: None,
    ) -> None:
        self.name = new_id("wk")
        self.metrics = metrics or Metrics()
        self._store = store
        self._blobs = blobs
        self._settings = settings
        self._make_judge = make_judge
        self._fetcher = fetcher
        self._on_finished = on_finished
        self._judge: Judge | None = None
        self._stopping = threading.Event()
        self._arrived = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start judging, fetching and the heartbeat."""
        runs: list[tuple[str, Callable[[], None]]] = [("judge", self._run_judge), ("heartbeat", self._run_heartbeat)]
        if self._fetcher is not None:
            runs.append(("fetch", functools.partial(self._run_fetch, self._fetcher)))
        for name, run in runs:
            thread = threading.Thread(target=run, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    @property
    def is_ready(self) -> bool:
        """Whether the model is loaded and the judging thread lives."""
        return self._judge is not None and any(item.name == "judge" and item.is_alive() for item in self._threads)

    def wake(self) -> None:
        """Say that a job has arrived, so that it need not wait for the next look."""
        self._arrived.set()

    def stop(self, timeout_s: float) -> bool:
        """Claim nothing more, let running jobs end within `timeout_s`, give back the others; True when all ended."""
        self._stopping.set()
        self._arrived.set()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        is_done = not any(thread.is_alive() for thread in self._threads)
        self._store.release(self.name)
        return is_done

    # ---------------------------------------------------------------- judging

    def _run_judge(self) -> None:
        while not self._stopping.is_set():
            try:
                self._judge = self._judge or self._make_judge()
                if not self.work():
                    self._arrived.wait(self._settings.poll_s)
                    self._arrived.clear()
            except Exception:  # the border of the worker: a broken database must not end it
                log.exception("worker pauses after an error")
                self._stopping.wait(1.0)

    def work(self) -> int:
        """Judge until the queue is empty; returns how many jobs were ended."""
        self._judge = judge = self._judge or self._make_judge()
        held: deque[tuple[Analysis, BlobFile]] = deque()
        count = 0
        try:
            for report in judge.analyze_many(self._claimed(held)):
                job, file = held[0]
                self._finish(job, Outcome.of(report), report)
                held.popleft()
                file.close()
                count += 1
        except Exception:
            # One file broke the whole stream: each that was under way is tried alone, so that only the guilty one ends.
            log.exception("the stream of analyses broke; trying its files one by one")
            for job, file in held:
                file.close()
                count += self._judge_alone(judge, job)
        return count

    def _claimed(self, held: deque[tuple[Analysis, BlobFile]]) -> Iterator[BinaryIO]:
        """Yield files of claimed jobs while there are any."""
        while not self._stopping.is_set() and len(held) < _STREAM_MAX_HELD:
            job = self._store.claim(self.name, stage="analyze")
            if job is None:
                return
            self.metrics.waited.observe(max(0.0, time.time() - job.created_at))
            file = BlobFile(self._blobs, job)
            held.append((job, file))
            yield cast(BinaryIO, file)

    def _judge_alone(self, judge: Judge, job: Analysis) -> int:
        file = BlobFile(self._blobs, job)
        try:
            report = judge.analyze(cast(BinaryIO, file), name=file.name)
            self._finish(job, Outcome.of(report), report)
        except WitnessmarkError as error:
            self._finish(job, Outcome(error_code=error.code, error_detail=str(error)), None)
        except Exception:  # the border of the worker: logged here, a plain sentence to the caller
            log.exception("analysis %s failed", job.id)
            self._finish(job, _INTERNAL, None)
        finally:
            file.close()
        return 1

    def _finish(self, job: Analysis, outcome: Outcome, report: Report | None) -> None:
        if not self._store.finish(job, outcome):
            log.warning("analysis %s was taken over by another worker", job.id)
            return
        if job.zero_retention and job.blob:
            self._blobs.erase(job.blob)
        self.metrics.count_outcome(outcome, report)
        self._on_finished(job.id)

    # ---------------------------------------------------------------- leases and fetching

    def _run_heartbeat(self) -> None:
        """Renew leases until all that is under way has ended, also while the worker drains."""
        while True:
            self._stopping.wait(self._settings.lease_s / 3)
            others = [thread for thread in self._threads if thread is not threading.current_thread()]
            if self._stopping.is_set() and not any(thread.is_alive() for thread in others):
                return
            try:
                self._store.heartbeat(self.name)
            except Exception:
                log.exception("heartbeat failed")
            if self._stopping.is_set():
                time.sleep(min(0.05, self._settings.lease_s / 3))

    def _run_fetch(self, fetcher: RemoteFetcher) -> None:
        """Fetch URLs in a few threads, so that a slow server delays nobody's analysis."""
        free = threading.Semaphore(self._settings.fetchers)
        with ThreadPoolExecutor(self._settings.fetchers, thread_name_prefix="fetch") as pool:
            while not self._stopping.is_set():
                if not free.acquire(timeout=self._settings.poll_s):
                    continue
                try:
                    job = self._store.claim(self.name, stage="fetch")
                except Exception:
                    log.exception("claiming a fetch failed")
                    job = None
                if job is None:
                    free.release()
                    self._stopping.wait(self._settings.poll_s)
                else:
                    pool.submit(self._fetch, fetcher, job).add_done_callback(lambda _: free.release())

    def _fetch(self, fetcher: RemoteFetcher, job: Analysis) -> None:
        try:
            with fetcher.fetch(job.source_url or "") as remote:
                self._hand_on(job, remote)
        except WitnessmarkError as error:
            self._finish(job, Outcome(error_code=error.code, error_detail=str(error)), None)
        except Exception:
            log.exception("fetching for analysis %s failed", job.id)
            self._finish(job, _INTERNAL, None)

    def _hand_on(self, job: Analysis, remote: RemoteFile) -> None:
        stored = self._blobs.put(remote.stream, max_bytes=self._settings.max_upload_bytes)
        if self._store.fetched(job, blob=stored.blob, sha256=stored.sha256, size=stored.size, name=remote.name):
            self.wake()
        else:
            self._blobs.erase(stored.blob)

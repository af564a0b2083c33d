"""The worker: claims jobs, keeps their leases alive, judges several at once, and ends each exactly once.

One thread, the clerk, does all that is written down: in one transaction it ends the jobs that have been judged and
claims as many new ones as there is room for, so that under load one commit serves many jobs. The judging threads only
judge; while some of them decode, the model works on what the others brought, mixed by the analyzer's engine. A slow
file holds up nobody else's.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from api.blobs import BlobStore
from api.database import Analysis, new_id
from api.jobs.store import JobStore, Outcome
from api.metrics import Metrics
from api.problems import is_callers_affair
from api.remote import RemoteFetcher, RemoteFile
from api.settings import Settings
from api.tracing import Tracing
from detect.errors import EngineBusyError, WitnessmarkError
from detect.types import Report

log = logging.getLogger(__name__)

_INTERNAL = Outcome(
    error_code="internal_error", error_detail="the analysis failed; the operator can see why in the log"
)
_LOST = Outcome(error_code="worker_lost")
_BUSY_PAUSE_S = 0.5
_FETCH_AHEAD = 64
"""Fetched files that may wait to be judged; more would only fill the disk."""


class Judge(Protocol):
    """What the service needs of `detect.analyzer.Analyzer`; tests bring a small one."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what decides a Report besides the file."""

    @property
    def width(self) -> int:
        """How many files are best under way at once."""

    def analyze(self, file: BinaryIO, *, name: str | None = None) -> Report:
        """Return the Report of one file, or raise a WitnessmarkError; called from several threads."""


@dataclass(frozen=True)
class Judged:
    """A job that has been judged and is to be ended."""

    job: Analysis
    outcome: Outcome
    report: Report | None = None


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
        tracing: Tracing | None = None,
        on_finished: Callable[[str], None] = lambda job_id: None,
    ) -> None:
        self.name = new_id("wk")
        self.metrics = metrics or Metrics()
        self._tracing = tracing or Tracing()
        self._store = store
        self._blobs = blobs
        self._settings = settings
        self._make_judge = make_judge
        self._fetcher = fetcher
        self._on_finished = on_finished
        self._judge: Judge | None = None
        self._stopping = threading.Event()
        self._over = threading.Event()
        self._news = threading.Event()  # a job arrived, a job was judged, or the end is near
        self._fetch_news = threading.Event()
        self._orders: queue.SimpleQueue[Analysis] = queue.SimpleQueue()
        self._judged: deque[Judged] = deque()
        self._judging: dict[str, float] = {}  # id of each claimed job -> when it was claimed, monotonic
        self._fetching: dict[str, float] = {}
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start judging, fetching and the heartbeat."""
        self._threads = [self._begin("clerk", self._run_clerk)]
        if (fetcher := self._fetcher) is not None:
            for _ in range(self._settings.fetchers):
                self._threads.append(self._begin("fetch", lambda: self._run_fetch(fetcher)))
        self._begin("heartbeat", self._run_heartbeat)

    def _begin(self, name: str, run: Callable[[], None]) -> threading.Thread:
        # Daemons, because a thread that is stuck in a file must not keep the process from ending.
        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        return thread

    @property
    def is_ready(self) -> bool:
        """Whether the model is loaded, the clerk lives, and not every judging thread is stuck in a file."""
        if self._judge is None or not any(item.name == "clerk" and item.is_alive() for item in self._threads):
            return False
        return len(self._judging) - len(self._live(self._judging)) < self._judge.width

    def wake(self) -> None:
        """Say that a job has arrived, so that it need not wait for the next look."""
        self._news.set()
        self._fetch_news.set()

    def drain(self) -> None:
        """Claim nothing more; what is under way goes on."""
        self._stopping.set()
        self.wake()

    def stop(self, timeout_s: float) -> bool:
        """Drain, let running jobs end within `timeout_s`, give back the others; True when all ended."""
        self.drain()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        is_done = not any(thread.is_alive() for thread in self._threads)
        self._over.set()
        self._store.release(self.name)
        return is_done

    # ---------------------------------------------------------------- judging

    def _run_clerk(self) -> None:
        judge: Judge | None = None
        while judge is None and not self._stopping.is_set():
            try:
                self._judge = judge = self._make_judge()
            except Exception:
                log.exception("the model cannot be loaded")
                self._stopping.wait(5.0)
        if judge is None:
            return
        for _ in range(judge.width):
            self._begin("judge", lambda: self._run_judge(judge))
        is_stopping = False
        while not (is_stopping and not self._judging) and not self._over.is_set():
            is_stopping = self._stopping.is_set()
            self._news.clear()
            try:
                self._turn(room=0 if is_stopping else judge.width - len(self._judging))
            except Exception:  # the border of the worker: a broken database must not end it, nor lose a result
                log.exception("worker pauses after an error")
                self._over.wait(1.0)
                continue
            if self._judging or not is_stopping:
                self._news.wait(self._settings.poll_s)

    def _turn(self, *, room: int) -> None:
        """End what has been judged, and claim and begin what there is room for."""
        ended = [self._judged[index] for index in range(len(self._judged))]
        room += len(ended) if room else 0  # their places are free as soon as this is written
        turn = self._store.turn(self.name, ended=[(item.job, item.outcome) for item in ended], limit=room)
        for item, is_ended in zip(ended, turn.is_ended, strict=True):
            self._judged.popleft()
            del self._judging[item.job.id]
            self._after(item, is_ended)
        for job in turn.claimed:
            self.metrics.waited.observe(max(0.0, time.time() - job.created_at))
            self._judging[job.id] = time.monotonic()
            self._orders.put(job)
        for job in turn.lost:
            self._after(Judged(job, _LOST), True)

    def _run_judge(self, judge: Judge) -> None:
        while True:
            self._judge_one(judge, self._orders.get())

    def _judge_one(self, judge: Judge, job: Analysis) -> None:
        """Judge one file; whatever happens, the clerk gets to know how it ended."""
        judged = Judged(job, _INTERNAL)
        try:
            with self._tracing.job(job.id) as span:
                report = self._analyze(judge, job)
                judged = Judged(job, Outcome.of(report), report)
                span.note(verdict=report.verdict.value, **report.timings_ms)
        except Exception as error:
            judged = Judged(job, self._outcome_of(error, job))
        finally:
            self._judged.append(judged)
            self._news.set()

    def _analyze(self, judge: Judge, job: Analysis) -> Report:
        """Return the Report; an engine that is busy is asked again, which holds back further claims."""
        while True:
            try:
                with self._blobs.open(job.blob or "") as file:
                    return judge.analyze(file, name=job.name or "file")
            except EngineBusyError:
                self._over.wait(_BUSY_PAUSE_S)
                if self._over.is_set():  # the job has been given back
                    raise

    def _outcome_of(self, error: Exception, job: Analysis) -> Outcome:
        """Return how a job ends that raised: the caller's own affairs with their text, the others without."""
        if isinstance(error, WitnessmarkError) and is_callers_affair(error):
            return Outcome(error_code=error.code, error_detail=str(error))
        log.error("analysis %s failed", job.id, exc_info=error)
        code = error.code if isinstance(error, WitnessmarkError) else "internal_error"
        return Outcome(error_code=code, error_detail=_INTERNAL.error_detail)

    def _after(self, judged: Judged, is_ended: bool) -> None:
        """Do what follows the end of a job that is written down."""
        job = judged.job
        if not is_ended:
            log.warning("analysis %s was erased, or taken over by another worker", job.id)
            return
        if job.zero_retention and job.blob:
            self._blobs.erase(job.blob)
        self.metrics.count_outcome(judged.outcome, judged.report)
        self._on_finished(job.id)

    # ---------------------------------------------------------------- leases and fetching

    def _live(self, held: dict[str, float]) -> list[str]:
        """Return the jobs whose leases are renewed: not those that have been under way for too long."""
        oldest = time.monotonic() - self._settings.job_timeout_s
        return [job_id for job_id, since in list(held.items()) if since >= oldest]

    def _run_heartbeat(self) -> None:
        """Renew leases until all that is under way has ended, also while the worker drains."""
        while not self._over.wait(self._settings.lease_s / 3):
            try:
                if live := self._live(self._judging) + self._live(self._fetching):
                    self._store.heartbeat(self.name, live)
            except Exception:
                log.exception("heartbeat failed")

    def _run_fetch(self, fetcher: RemoteFetcher) -> None:
        """Fetch URLs, in several threads, so that a slow server delays nobody's analysis."""
        while not self._stopping.is_set():
            self._fetch_news.clear()
            if (job := self._next_fetch()) is not None:
                self._fetch(fetcher, job)
            else:
                self._fetch_news.wait(self._settings.poll_s)

    def _next_fetch(self) -> Analysis | None:
        try:
            if self._store.backlog("analyze", most=_FETCH_AHEAD) >= _FETCH_AHEAD:
                return None
            turn = self._store.turn(self.name, stage="fetch", limit=1)
        except Exception:
            log.exception("claiming a fetch failed")
            return None
        for job in turn.lost:
            self._after(Judged(job, _LOST), True)
        return next(iter(turn.claimed), None)

    def _fetch(self, fetcher: RemoteFetcher, job: Analysis) -> None:
        self._fetching[job.id] = time.monotonic()
        try:
            with fetcher.fetch(job.source_url or "") as remote:
                self._hand_on(job, remote)
        except Exception as error:
            outcome = self._outcome_of(error, job)
            self._after(Judged(job, outcome), self._store.finish(job, outcome))
        finally:
            del self._fetching[job.id]

    def _hand_on(self, job: Analysis, remote: RemoteFile) -> None:
        stored = self._blobs.put(remote.stream, max_bytes=self._settings.max_upload_bytes)
        if self._store.fetched(job, blob=stored.blob, sha256=stored.sha256, size=stored.size, name=remote.name):
            self.wake()
        else:
            self._blobs.erase(stored.blob)

"""The worker: claims jobs, keeps their leases alive, judges several at once, and ends each exactly once.

What is written down is written in turns: one transaction ends the jobs that have been judged and claims as many new
ones as there is room for, so that under load one commit serves many jobs. Whoever has news takes the turn, or leaves it
to the one who is at it. While some judging threads decode, the model works on what the others brought, mixed by the
analyzer's engine. A slow file holds up nobody else's.
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
from api.jobs.fetching import Fetching
from api.jobs.records import INTERNAL, Outcome, outcome_of
from api.jobs.store import JobStore
from api.metrics import Metrics
from api.remote import RemoteFetcher
from api.settings import Settings
from api.tracing import Tracing
from detect.errors import EngineBusyError
from detect.types import Report

log = logging.getLogger(__name__)

_BUSY_PAUSE_S = 0.5
_TROUBLE_PAUSE_S = 1.0


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
        on_finished: Called with each job that ended, from any thread.
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
        on_finished: Callable[[Analysis], None] = lambda job: None,
    ) -> None:
        self.name = new_id("wk")
        self.metrics = metrics or Metrics()
        self._tracing = tracing or Tracing()
        self._store = store
        self._blobs = blobs
        self._settings = settings
        self._make_judge = make_judge
        self._on_finished = on_finished
        self._judge: Judge | None = None
        self._stopping = threading.Event()
        self._over = threading.Event()
        self._news = threading.Event()  # a job arrived, a job was judged, or the end is near
        self._taking_turn = threading.Lock()
        self._may_wait = True  # whether the database may hold jobs that wait
        self._orders: queue.SimpleQueue[Analysis | None] = queue.SimpleQueue()  # None ends one judging thread
        self._judged: deque[Judged] = deque()
        self._judging: dict[str, float] = {}  # id of each claimed job -> when it was claimed, monotonic
        self._threads: list[threading.Thread] = []
        self._fetching: Fetching | None = None
        if fetcher is not None:
            self._fetching = Fetching(
                self.name, store, blobs, settings, fetcher, on_fetched=self.wake, on_ended=self._after
            )

    def start(self) -> None:
        """Start judging, fetching and the heartbeat."""
        self._threads = [self._begin("clerk", self._run_clerk)]
        if (fetching := self._fetching) is not None:
            for _ in range(self._settings.fetchers):
                self._threads.append(self._begin("fetch", lambda: fetching.run(self._stopping)))
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

    def reserve(self, job_id: str) -> bool:
        """Keep a place for a job that is about to be stored, when one is free and none waits before it.

        Such a job is stored under this worker's lease (`begin`), which saves the claim. `forget` gives the place back.
        """
        is_free = self.is_ready and not self._stopping.is_set() and not self._may_wait
        if self._judge is None or not is_free or len(self._judging) >= self._judge.width:
            return False
        self._judging[job_id] = time.monotonic()
        return True

    def begin(self, job: Analysis) -> None:
        """Judge a job that was stored under this worker's lease."""
        self._orders.put(job)

    def forget(self, job_id: str) -> None:
        """Give back a place that was reserved."""
        self._judging.pop(job_id, None)

    def wake(self) -> None:
        """Say that a job waits; it is claimed before this returns, unless somebody else is at it."""
        self._may_wait = True
        self._notify()
        self._settle()

    def _notify(self) -> None:
        if self._fetching is not None:
            self._fetching.wake()
        self._news.set()

    def drain(self) -> None:
        """Claim nothing more; what is under way goes on."""
        self._stopping.set()
        self._notify()

    def stop(self, timeout_s: float) -> bool:
        """Drain, let running jobs end within `timeout_s`, give back the others; True when all ended."""
        self.drain()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        is_done = not any(thread.is_alive() for thread in self._threads)
        self._over.set()
        for _ in range(self._judge.width if self._judge is not None else 0):
            self._orders.put(None)
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
        while not (self._stopping.is_set() and not self._judging) and not self._over.is_set():
            self._may_wait = True  # other processes cannot say so
            self._news.set()
            pause_s = self._settings.poll_s if self._settle() else _TROUBLE_PAUSE_S
            (self._over if self._stopping.is_set() else self._stopping).wait(pause_s)

    def _settle(self) -> bool:
        """Take turns until there is no news, or leave them to the thread that is at it; False when one failed."""
        while self._news.is_set():
            if not self._taking_turn.acquire(blocking=False):
                return True  # that thread looks for news again after its turn
            try:
                self._news.clear()
                if self._judge is not None:
                    self._turn(self._judge)
            except Exception:  # the border of the worker: a broken database must not end it, nor lose a result
                log.exception("a turn failed; it is taken again")
                self._may_wait = True
                return False
            finally:
                self._taking_turn.release()
        return True

    def _turn(self, judge: Judge) -> None:
        """End what has been judged, and claim and begin what there is room for."""
        ended = [self._judged[index] for index in range(len(self._judged))]
        room = judge.width - len(self._judging) + len(ended)  # their places are free as soon as this is written
        if self._stopping.is_set() or not self._may_wait:
            room = 0
        elif room > 0:
            self._may_wait = False  # set again below, or by whoever stores a job from now on
        turn = self._store.turn(self.name, ended=[(item.job, item.outcome) for item in ended], limit=room)
        if turn.claimed and len(turn.claimed) == room:
            self._may_wait = True
        for item in ended:
            self._judged.popleft()
            self._judging.pop(item.job.id, None)
        for job in turn.claimed:
            self._judging[job.id] = time.monotonic()
            self._orders.put(job)
            self.metrics.waited.observe(max(0.0, time.time() - job.created_at))
        for item, row in zip(ended, turn.ended, strict=True):
            self._after(row, item)
        for row in turn.lost:
            self._after(row)

    def _run_judge(self, judge: Judge) -> None:
        while (job := self._orders.get()) is not None:
            self._judge_one(judge, job)

    def _judge_one(self, judge: Judge, job: Analysis) -> None:
        """Judge one file; whatever happens, how it ended is written down."""
        judged = Judged(job, INTERNAL)
        try:
            with self._tracing.job(job.id) as span:
                report = self._analyze(judge, job)
                judged = Judged(job, Outcome.of(report), report)
                span.note(verdict=report.verdict.value, **report.timings_ms)
        except Exception as error:
            judged = Judged(job, outcome_of(error, job))
        finally:
            self._judged.append(judged)
            self._news.set()
            self._settle()

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

    def _after(self, row: Analysis | None, judged: Judged | None = None) -> None:
        """Do what follows the end of a job that is written down."""
        if row is None:
            log.warning("an analysis was erased, or taken over by another worker, while this one judged it")
            return
        self._on_finished(row)
        self.metrics.count_outcome(row.error_code, judged.report if judged else None)
        if row.zero_retention and row.blob:
            try:
                self._blobs.erase(row.blob)
            except OSError:  # the eraser tries again
                log.exception("a file could not be erased")

    # ---------------------------------------------------------------- leases

    def _live(self, held: dict[str, float]) -> list[str]:
        """Return the jobs whose leases are renewed: not those that have been under way for too long."""
        oldest = time.monotonic() - self._settings.job_timeout_s
        return [job_id for job_id, since in list(held.items()) if since >= oldest]

    def _run_heartbeat(self) -> None:
        """Renew leases until all that is under way has ended, also while the worker drains."""
        while not self._over.wait(self._settings.lease_s / 3):
            try:
                if live := self._live(self._judging) + self._live(self._fetching.held if self._fetching else {}):
                    self._store.heartbeat(self.name, live)
            except Exception:
                log.exception("heartbeat failed")

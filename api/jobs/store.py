"""Analyses in SQL: submit, claim under a lease, finish exactly once.

A job is `queued`, then `running` under the lease of one worker, then `succeeded` or `failed`, at last `expired`. Each
claim counts up `attempts`; (worker, attempts) is the fencing token that a result must show, so that a worker which
lost its lease and comes back cannot end the job a second time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import CursorResult, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, defer

from api.database import Analysis, Batch, Database, Delivery, Idempotency, new_id
from api.settings import Settings
from detect.serialize import report_to_dict
from detect.types import Report

T = TypeVar("T")
UNFINISHED = ("queued", "running")
FINISHED = ("succeeded", "failed", "expired")
STATUSES = UNFINISHED + FINISHED


class QueueFullError(Exception):
    """As many unfinished jobs as `max_queue` allows."""


class IdempotencyConflictError(Exception):
    """The same `Idempotency-Key` came with another request."""


@dataclass(frozen=True)
class NewJob:
    """What a call asks for: a stored file, or a URL to fetch."""

    owner: str
    id: str = field(default_factory=lambda: new_id("an"))
    name: str = ""
    blob: str | None = None
    sha256: str | None = None
    size: int | None = None
    source_url: str | None = None
    webhook_url: str | None = None
    zero_retention: bool = False
    batch_line: int | None = None


@dataclass(frozen=True)
class Replay:
    """How a call can be recognised when it comes again."""

    key: str
    request_hash: str


@dataclass(frozen=True)
class Outcome:
    """How a job ended: a report, or a code with a sentence for the caller."""

    report: dict[str, Any] | None = None
    error_code: str | None = None
    error_detail: str | None = None

    @classmethod
    def of(cls, report: Report) -> Outcome:
        """Return the outcome that a Report means: an error Report is a failed job."""
        if report.error is not None:
            return cls(error_code=report.error.code, error_detail=report.error.message)
        return cls(report=report_to_dict(report))


@dataclass(frozen=True)
class Turn:
    """What one transaction of a worker did.

    Attributes:
        ended: For each job that was to end, the ended row; None when another worker has taken it over.
        claimed: Jobs leased now, oldest first.
        lost: Jobs that have lost too many workers, ended as failed.
    """

    ended: tuple[Analysis | None, ...] = ()
    claimed: Sequence[Analysis] = ()
    lost: Sequence[Analysis] = ()


class JobStore:
    """All that happens to analyses; every method is one short transaction."""

    def __init__(self, database: Database, settings: Settings, fingerprint: str) -> None:
        self.database = database
        self.settings = settings
        self.fingerprint = fingerprint

    # ---------------------------------------------------------------- submitting

    def submit(self, job: NewJob, replay: Replay | None = None, *, worker: str | None = None) -> tuple[Analysis, bool]:
        """Accept one job; a known result for the same bytes and pipeline ends it at once.

        Args:
            job: What is to be done.
            replay: How the same call can be recognised.
            worker: Lease the job to this worker at once, which has a place for it.

        Returns:
            The analysis, and whether it was made by an earlier call with the same `Idempotency-Key`.

        Raises:
            QueueFullError: Try again later; nothing was stored.
            IdempotencyConflictError: The key stands for another request.
        """

        def insert(session: Session) -> tuple[str, Analysis | None]:
            row = self._insert(session, job, worker)
            return row.id, row

        target, row = self._once(job.owner, replay, insert)
        if row is not None:
            return row, False
        with self.database.read() as session:
            return session.get_one(Analysis, target), True

    def _once(
        self, owner: str, replay: Replay | None, insert: Callable[[Session], tuple[str, T | None]]
    ) -> tuple[str, T | None]:
        """Insert something, or find what the same `Idempotency-Key` has made already; then there is no row."""
        try:
            with self.database.write() as session:
                if replay and (target := self._replayed(session, owner, replay)):
                    return target, None
                target, row = insert(session)
                if replay:
                    self._remember(session, owner, replay, target)
                return target, row
        except IntegrityError:
            # Another process stored the same key between our look and our insert: now it can be seen.
            with self.database.read() as session:
                if replay and (target := self._replayed(session, owner, replay)):
                    return target, None
            raise

    def submit_batch(self, jobs: Sequence[NewJob], owner: str, replay: Replay | None = None) -> tuple[str, bool]:
        """Accept many jobs at once; see `submit`. Returns the id of the batch."""

        def insert(session: Session) -> tuple[str, Batch | None]:
            now = time.time()
            batch = Batch(id=new_id("ba"), owner=owner, created_at=now, total=len(jobs))
            self._check_room(session, len(jobs))
            session.add(batch)
            session.add_all([self._row(job, now, batch_id=batch.id) for job in jobs])  # one statement for all
            return batch.id, batch

        target, batch = self._once(owner, replay, insert)
        return target, batch is None

    def _insert(self, session: Session, job: NewJob, worker: str | None) -> Analysis:
        """Add one job; a known result ends it at once, otherwise there must be room for it."""
        now = time.time()
        row = self._row(job, now)
        if not row.zero_retention and (known := self._known_report(session, job)) is not None:
            ending = self._ending(row, Outcome(report=_renamed(known, job.name)), now, is_cached=True)
            _write(row, ending)
            self._announce(session, row, now)
        else:
            self._check_room(session, 1)
            if worker is not None:
                _write(row, {**self._lease(worker, now), "attempts": 1, "started_at": now})
        session.add(row)
        return row

    def _lease(self, worker: str, now: float) -> dict[str, Any]:
        return {"status": "running", "worker": worker, "lease_until": now + self.settings.lease_s}

    def _row(self, job: NewJob, now: float, *, batch_id: str | None = None) -> Analysis:
        is_private = job.zero_retention or self.settings.zero_retention
        return Analysis(
            id=job.id,
            owner=job.owner,
            status="queued",
            stage="analyze" if job.blob else "fetch",
            created_at=now,
            name="" if is_private else job.name,
            source_url=job.source_url,
            sha256=job.sha256,
            size=job.size,
            blob=job.blob,
            fingerprint=self.fingerprint,
            zero_retention=is_private,
            is_cached=False,
            webhook_url=job.webhook_url,
            batch_id=batch_id,
            batch_line=job.batch_line,
            attempts=0,
        )

    def _known_report(self, session: Session, job: NewJob) -> dict[str, Any] | None:
        """Return the report of the same bytes under the same pipeline, of the same owner: nobody learns of others."""
        if job.sha256 is None:
            return None
        return session.scalar(
            select(Analysis.report)
            .where(
                Analysis.sha256 == job.sha256,
                Analysis.fingerprint == self.fingerprint,
                Analysis.owner == job.owner,
                Analysis.status == "succeeded",
                Analysis.zero_retention.is_(False),
            )
            .limit(1)
        )

    def _check_room(self, session: Session, more: int) -> None:
        if self._unfinished(session) + more > self.settings.max_queue:
            raise QueueFullError

    def _unfinished(self, session: Session) -> int:
        return session.scalar(select(func.count()).where(Analysis.status.in_(UNFINISHED))) or 0

    def _replayed(self, session: Session, owner: str, replay: Replay) -> str | None:
        row = session.get(Idempotency, (owner, replay.key))
        if row is None:
            return None
        if row.created_at < time.time() - self.settings.idempotency_s:
            session.execute(delete(Idempotency).where(Idempotency.owner == owner, Idempotency.key == replay.key))
            session.expunge(row)
            return None
        if row.request_hash != replay.request_hash:
            raise IdempotencyConflictError
        return row.target

    def _remember(self, session: Session, owner: str, replay: Replay, target: str) -> None:
        session.add(
            Idempotency(
                owner=owner,
                key=replay.key,
                request_hash=replay.request_hash,
                target=target,
                created_at=time.time(),
            )
        )

    # ---------------------------------------------------------------- reading

    def get(self, job_id: str, owner: str | None) -> Analysis | None:
        """Return one analysis of that owner; owner None = of anybody."""
        with self.database.read() as session:
            row = session.get(Analysis, job_id)
        return row if row is not None and owner in (None, row.owner) else None

    def page(self, owner: str | None, *, before: str | None, limit: int, status: str | None) -> list[Analysis]:
        """Return up to `limit` analyses without their reports, newest first, older than the id `before`."""
        query = select(Analysis).options(defer(Analysis.report)).order_by(Analysis.id.desc()).limit(limit)
        if owner is not None:
            query = query.where(Analysis.owner == owner)
        if before is not None:
            query = query.where(Analysis.id < before)
        if status is not None:
            query = query.where(Analysis.status == status)
        with self.database.read() as session:
            return list(session.scalars(query))

    def batch(self, batch_id: str, owner: str | None) -> tuple[Batch, dict[str, int]] | None:
        """Return a batch with the number of its analyses by status."""
        with self.database.read() as session:
            batch = session.get(Batch, batch_id)
            if batch is None or owner not in (None, batch.owner):
                return None
            rows = session.execute(
                select(Analysis.status, func.count()).where(Analysis.batch_id == batch_id).group_by(Analysis.status)
            )
            return batch, {str(status): int(count) for status, count in rows}

    def batch_rows(self, batch_id: str, *, after_line: int, limit: int) -> list[Analysis]:
        """Return the analyses of a batch in the order of its lines, from the line after `after_line` on."""
        with self.database.read() as session:
            return list(
                session.scalars(
                    select(Analysis)
                    .where(Analysis.batch_id == batch_id, Analysis.batch_line > after_line)
                    .order_by(Analysis.batch_line)
                    .limit(limit)
                )
            )

    def finished(self, ids: Iterable[str]) -> list[str]:
        """Return those of the ids that ended or are gone."""
        wanted = list(ids)
        with self.database.read() as session:
            waiting = set(
                session.scalars(select(Analysis.id).where(Analysis.id.in_(wanted), Analysis.status.in_(UNFINISHED)))
            )
        return [item for item in wanted if item not in waiting]

    def has_room(self) -> bool:
        """Say whether another job would be taken."""
        with self.database.read() as session:
            return self._unfinished(session) < self.settings.max_queue

    def depth(self) -> dict[str, int]:
        """Return the number of analyses by status."""
        with self.database.read() as session:
            rows = session.execute(select(Analysis.status, func.count()).group_by(Analysis.status))
            return {str(status): int(count) for status, count in rows}

    # ---------------------------------------------------------------- working

    def claim(self, worker: str, *, stage: str, limit: int = 1) -> Sequence[Analysis]:
        """Lease the oldest jobs that wait, or whose worker fell silent; at most `limit`, oldest first.

        A job that has lost `max_attempts` workers ends as failed instead: it may be what kills them.
        """
        return self.turn(worker, stage=stage, limit=limit).claimed

    def finish(self, job: Analysis, outcome: Outcome) -> bool:
        """End a job exactly once; False when the lease was lost and another worker has it."""
        return self.turn(job.worker or "", ended=[(job, outcome)]).ended[0] is not None

    def turn(
        self,
        worker: str,
        *,
        ended: Sequence[tuple[Analysis, Outcome]] = (),
        stage: str = "analyze",
        limit: int = 0,
    ) -> Turn:
        """End some jobs and lease others in one transaction: under load, one commit serves many."""
        if not ended and (limit <= 0 or not self._is_waiting(stage)):
            return Turn()  # most looks find nothing: those take no write lock
        now = time.time()
        with self.database.write() as session:
            rows = [self._finish(session, job, outcome, now) for job, outcome in ended]
            taken = self._take(session, worker, stage, limit, now) if limit > 0 else []
            lost = [row for row in taken if row.attempts > self.settings.max_attempts]
            gone = [self._finish(session, row, _LOST, now) for row in lost]
            claimed = [row for row in taken if row not in lost]
        return Turn(tuple(rows), claimed, [row for row in gone if row is not None])

    def _is_waiting(self, stage: str) -> bool:
        with self.database.read() as session:
            return session.scalar(select(Analysis.id).where(*_free(stage, time.time())).limit(1)) is not None

    def _take(self, session: Session, worker: str, stage: str, limit: int, now: float) -> list[Analysis]:
        oldest = session.scalars(
            select(Analysis.id)
            .where(*_free(stage, now))
            .order_by(Analysis.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).all()
        if not oldest:
            return []
        rows = session.scalars(
            update(Analysis)
            .where(Analysis.id.in_(oldest))
            .values(
                **self._lease(worker, now),
                attempts=Analysis.attempts + 1,
                started_at=func.coalesce(Analysis.started_at, now),
            )
            .returning(Analysis)
            .execution_options(synchronize_session=False)
        )
        return sorted(rows, key=lambda row: row.id)

    def backlog(self, stage: str, *, most: int) -> int:
        """Return how many jobs wait in a stage, counting no further than `most`."""
        waiting = select(Analysis.id).where(Analysis.status == "queued", Analysis.stage == stage).limit(most)
        with self.database.read() as session:
            return session.scalar(select(func.count()).select_from(waiting.subquery())) or 0

    def heartbeat(self, worker: str, job_ids: Sequence[str]) -> None:
        """Renew the leases of those jobs, as far as the worker still holds them."""
        held = select(Analysis.id).where(
            Analysis.id.in_(job_ids), Analysis.worker == worker, Analysis.status == "running"
        )
        with self.database.write() as session:
            session.execute(
                update(Analysis)
                # Those that another thread is ending right now are left alone: waiting for them could be a deadlock.
                .where(Analysis.id.in_(held.with_for_update(skip_locked=True)))
                .values(lease_until=time.time() + self.settings.lease_s)
                .execution_options(synchronize_session=False)
            )

    def release(self, worker: str) -> None:
        """Give back what the worker holds, as a shutdown does; these tries do not count."""
        with self.database.write() as session:
            session.execute(
                update(Analysis)
                .where(Analysis.worker == worker, Analysis.status == "running")
                .values(status="queued", worker=None, lease_until=None, attempts=Analysis.attempts - 1)
                .execution_options(synchronize_session=False)
            )

    def fetched(self, job: Analysis, *, blob: str, sha256: str, size: int, name: str) -> bool:
        """Hand a fetched file on to the next stage; False when the lease was lost meanwhile.

        From here on the address is not needed, and forgotten: its query may hold a secret.
        """
        now = time.time()
        with self.database.write() as session:
            fetched = NewJob(owner=job.owner, sha256=sha256)
            known = None if job.zero_retention else self._known_report(session, fetched)
            values: dict[str, Any] = {
                "blob": blob,
                "sha256": sha256,
                "size": size,
                "name": "" if job.zero_retention else job.name or name,
                "source_url": None,
                "worker": None,
                "lease_until": None,
                "attempts": 0,
                "stage": "analyze",
                "status": "queued",
            }
            if known is not None:
                report = _renamed(known, values["name"])
                values |= self._ending(job, Outcome(report=report), now, is_cached=True)
            if not _is_hit(session.execute(_held(job).values(**values))):
                return False
            if known is not None:
                self._announce(session, job, now)
            return True

    def _finish(self, session: Session, job: Analysis, outcome: Outcome, now: float) -> Analysis | None:
        """Write how a job ended, and the webhook message with it in the same transaction."""
        ending = self._ending(job, outcome, now)
        if not _is_hit(session.execute(_held(job).values(**ending))):
            return None
        self._announce(session, job, now)
        return _copy(job, ending)  # others may be looking at `job`, and this is not committed yet

    def _ending(self, job: Analysis, outcome: Outcome, now: float, *, is_cached: bool = False) -> dict[str, Any]:
        """Return the columns of a job that has ended so."""
        report, settings = outcome.report, self.settings
        return {
            "status": "failed" if report is None else "succeeded",
            "report": report,
            "verdict": None if report is None else str(report["verdict"]),
            "authenticity": None if report is None else report["authenticity"],
            "error_code": outcome.error_code,
            "error_detail": outcome.error_detail,
            "finished_at": now,
            "results_until": now
            + (settings.zero_retention_result_s if job.zero_retention else settings.keep_results_s),
            "files_until": now + (0.0 if job.zero_retention else settings.keep_files_s),
            "source_url": None,
            "worker": None,
            "lease_until": None,
            "is_cached": is_cached,
        }

    def _announce(self, session: Session, job: Analysis, now: float) -> None:
        if job.webhook_url:
            session.add(
                Delivery(
                    id=new_id("msg"),
                    analysis_id=job.id,
                    url=job.webhook_url,
                    body="",
                    state="pending",
                    attempts=0,
                    next_at=now,
                )
            )

    # ---------------------------------------------------------------- erasing

    def erase(self, job_id: str) -> str | None:
        """Delete an analysis with all that belongs to it; returns the blob that must be erased too."""
        with self.database.write() as session:
            row = session.get(Analysis, job_id, options=[defer(Analysis.report)])
            if row is None:
                return None
            blob = row.blob
            session.execute(delete(Delivery).where(Delivery.analysis_id == job_id))
            session.execute(delete(Idempotency).where(Idempotency.target == job_id))
            session.delete(row)
            return blob


_LOST = Outcome(
    error_code="worker_lost",
    error_detail="the analysis was interrupted too often; the file may be what stops the workers",
)


def _free(stage: str, now: float) -> tuple[Any, Any]:
    """Return the conditions of jobs that may be claimed."""
    return (
        or_(Analysis.status == "queued", (Analysis.status == "running") & (Analysis.lease_until < now)),
        Analysis.stage == stage,
    )


def _held(job: Analysis) -> Any:
    """Return an update that hits only while the claim which `job` came from still holds."""
    return (
        update(Analysis)
        .where(
            Analysis.id == job.id,
            Analysis.status == "running",
            Analysis.worker == job.worker,
            Analysis.attempts == job.attempts,
        )
        .execution_options(synchronize_session=False)
    )


def _write(row: Analysis, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(row, name, value)


def _copy(row: Analysis, values: Mapping[str, Any]) -> Analysis:
    """Return another object of the same row, with some columns changed; it belongs to no session."""
    return Analysis(**{**{name: getattr(row, name) for name in Analysis.__mapper__.columns.keys()}, **values})  # noqa: SIM118


def _is_hit(result: Any) -> bool:
    return isinstance(result, CursorResult) and result.rowcount == 1


def _renamed(report: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a report of the same bytes under the name that this caller gave them; a note on the old name goes."""
    media = report["media"]
    if media and media["name"] != name:
        notes = [note for note in media["notes"] if note["code"] != "extension_mismatch"]
        media = {**media, "name": name, "notes": notes}
    return {**report, "path": name, "media": media}

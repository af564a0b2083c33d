"""Analyses in SQL: submit, claim under a lease, finish exactly once.

A job is `queued`, then `running` under the lease of one worker, then `succeeded` or `failed`, at last `expired`. Each
claim counts up `attempts`; (worker, attempts) is the fencing token that a result must show, so that a worker which
lost its lease and comes back cannot end the job a second time.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CursorResult, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, defer

from api.database import Analysis, Batch, Database, Delivery, Idempotency, new_id
from api.settings import Settings
from detect.serialize import report_to_dict
from detect.types import Report

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


class JobStore:
    """All that happens to analyses; every method is one short transaction."""

    def __init__(self, database: Database, settings: Settings, fingerprint: str) -> None:
        self.database = database
        self.settings = settings
        self.fingerprint = fingerprint

    # ---------------------------------------------------------------- submitting

    def submit(self, job: NewJob, replay: Replay | None = None) -> tuple[Analysis, bool]:
        """Accept one job; a known result for the same bytes and pipeline ends it at once.

        Returns:
            The analysis, and whether it was made by an earlier call with the same `Idempotency-Key`.

        Raises:
            QueueFullError: Try again later; nothing was stored.
            IdempotencyConflictError: The key stands for another request.
        """
        try:
            with self.database.write() as session:
                if replay and (target := self._replayed(session, job.owner, replay)):
                    return session.get_one(Analysis, target), True
                row = self._insert(session, job)
                if row.status == "queued":
                    self._check_room(session, 0)
                if replay:
                    self._remember(session, job.owner, replay, row.id)
                return row, False
        except IntegrityError:
            # Another process stored the same key between our look and our insert: now it can be seen.
            with self.database.read() as session:
                if replay and (target := self._replayed(session, job.owner, replay)):
                    return session.get_one(Analysis, target), True
            raise

    def submit_batch(self, jobs: Sequence[NewJob], owner: str, replay: Replay | None = None) -> tuple[str, bool]:
        """Accept many jobs at once; see `submit`. Returns the id of the batch."""
        with self.database.write() as session:
            if replay and (target := self._replayed(session, owner, replay)):
                return target, True
            batch = Batch(id=new_id("ba"), owner=owner, created_at=time.time(), total=len(jobs))
            session.add(batch)
            self._check_room(session, len(jobs))
            for job in jobs:
                self._insert(session, job, batch_id=batch.id)
            if replay:
                self._remember(session, owner, replay, batch.id)
            return batch.id, False

    def _insert(self, session: Session, job: NewJob, *, batch_id: str | None = None) -> Analysis:
        now = time.time()
        is_private = job.zero_retention or self.settings.zero_retention
        known = None if is_private else self._known_report(session, job)
        row = Analysis(
            id=new_id("an"),
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
            is_cached=known is not None,
            webhook_url=job.webhook_url,
            batch_id=batch_id,
            batch_line=job.batch_line,
            attempts=0,
        )
        session.add(row)
        session.flush()
        if known is not None:
            self._end(session, row.id, Outcome(report=_renamed(known, job.name)), now)
            session.refresh(row)
        return row

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
        waiting = session.scalar(select(func.count()).where(Analysis.status.in_(UNFINISHED))) or 0
        if waiting + more > self.settings.max_queue:
            raise QueueFullError

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

    def depth(self) -> dict[str, int]:
        """Return the number of analyses by status."""
        with self.database.read() as session:
            rows = session.execute(select(Analysis.status, func.count()).group_by(Analysis.status))
            return {str(status): int(count) for status, count in rows}

    # ---------------------------------------------------------------- working

    def claim(self, worker: str, *, stage: str) -> Analysis | None:
        """Lease the oldest job that waits, or whose worker fell silent; None when there is none.

        A job that has lost `max_attempts` workers ends as failed: it may be what kills them.
        """
        now = time.time()
        is_free = or_(Analysis.status == "queued", (Analysis.status == "running") & (Analysis.lease_until < now))
        oldest = (
            select(Analysis.id)
            .where(is_free, Analysis.stage == stage)
            .order_by(Analysis.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        with self.database.read() as session:  # most looks find nothing: those take no write lock
            if session.scalar(select(Analysis.id).where(is_free, Analysis.stage == stage).limit(1)) is None:
                return None
        with self.database.write() as session:
            row = session.scalar(
                update(Analysis)
                .where(Analysis.id == oldest.scalar_subquery())
                .values(
                    status="running",
                    worker=worker,
                    attempts=Analysis.attempts + 1,
                    lease_until=now + self.settings.lease_s,
                    started_at=func.coalesce(Analysis.started_at, now),
                )
                .returning(Analysis)
                .execution_options(synchronize_session=False)
            )
            if row is None:
                return None
            if row.attempts > self.settings.max_attempts:
                self._end(session, row.id, Outcome(error_code="worker_lost", error_detail=_WORKER_LOST), now)
                return None
            return row

    def heartbeat(self, worker: str) -> None:
        """Renew the leases of all jobs that the worker holds."""
        with self.database.write() as session:
            session.execute(
                update(Analysis)
                .where(Analysis.worker == worker, Analysis.status == "running")
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
        """Hand a fetched file on to the next stage; False when the lease was lost meanwhile."""
        with self.database.write() as session:
            known = self._known_report(session, NewJob(owner=job.owner, sha256=sha256))
            values: dict[str, Any] = {
                "status": "queued",
                "stage": "analyze",
                "worker": None,
                "lease_until": None,
                "attempts": 0,
                "blob": blob,
                "sha256": sha256,
                "size": size,
                "name": "" if job.zero_retention else name,
            }
            if not _is_hit(session.execute(_held(job).values(**values))):
                return False
            if known is not None and not job.zero_retention:
                self._end(session, job.id, Outcome(report=_renamed(known, name)), time.time(), is_cached=True)
            return True

    def finish(self, job: Analysis, outcome: Outcome) -> bool:
        """End a job exactly once; False when the lease was lost and another worker has it."""
        with self.database.write() as session:
            if not _is_hit(session.execute(_held(job).values(worker=None))):
                return False
            self._end(session, job.id, outcome, time.time())
            return True

    def _end(
        self, session: Session, job_id: str, outcome: Outcome, now: float, *, is_cached: bool | None = None
    ) -> None:
        """Write how a job ended, and the webhook message with it in the same transaction."""
        row = session.get_one(Analysis, job_id, populate_existing=True)
        keep_s = self.settings.zero_retention_result_s if row.zero_retention else self.settings.keep_results_s
        report = outcome.report
        row.status = "failed" if report is None else "succeeded"
        row.report = report
        row.verdict = None if report is None else str(report["verdict"])
        row.error_code, row.error_detail = outcome.error_code, outcome.error_detail
        row.finished_at, row.results_until = now, now + keep_s
        row.files_until = now if row.zero_retention else now + self.settings.keep_files_s
        row.worker = row.lease_until = None
        row.is_cached = row.is_cached if is_cached is None else is_cached
        if row.zero_retention:
            row.source_url = None
        if row.webhook_url:
            session.add(
                Delivery(
                    id=new_id("msg"),
                    analysis_id=row.id,
                    url=row.webhook_url,
                    body="",
                    state="pending",
                    attempts=0,
                    next_at=now,
                )
            )
        session.flush()

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


_WORKER_LOST = "the analysis was interrupted too often; the file may be what stops the workers"


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


def _is_hit(result: Any) -> bool:
    return isinstance(result, CursorResult) and result.rowcount == 1


def _renamed(report: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a report of the same bytes under the name that this caller gave them; a note on the old name goes."""
    media = report["media"]
    if media and media["name"] != name:
        notes = [note for note in media["notes"] if note["code"] != "extension_mismatch"]
        media = {**media, "name": name, "notes": notes}
    return {**report, "path": name, "media": media}

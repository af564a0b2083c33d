"""Analyses in SQL: submit, claim under a lease, finish exactly once.

A job is `queued`, then `running` under the lease of one worker, then `succeeded` or `failed`, at last `expired`. Each
claim counts up `attempts`; (worker, attempts) is the fencing token that a result must show, so that a worker which
lost its lease and comes back cannot end the job a second time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, defer

from api.database import Analysis, Batch, Database, Delivery, Idempotency, new_id
from api.jobs.reading import JobReader, count_unfinished
from api.jobs.records import LOST, IdempotencyConflictError, NewJob, Outcome, QueueFullError, Replay, Turn
from api.jobs.rows import (
    announce,
    copy_row,
    ending,
    is_free,
    is_hit,
    known_report,
    rename_report,
    update_held,
    write_columns,
)
from api.settings import Settings

T = TypeVar("T")


class JobStore(JobReader):
    """All that happens to analyses; every method is one short transaction."""

    def __init__(self, database: Database, settings: Settings, fingerprint: str) -> None:
        super().__init__(database, settings)
        self.fingerprint = fingerprint

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
        if not row.zero_retention and (known := self._known_report(session, job.owner, job.sha256)) is not None:
            columns = ending(row, Outcome(report=rename_report(known, job.name)), now, self.settings, is_cached=True)
            write_columns(row, columns)
            announce(session, row, now)
        else:
            self._check_room(session, 1)
            if worker is not None:
                write_columns(row, {**self._lease(worker, now), "attempts": 1, "started_at": now})
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

    def _known_report(self, session: Session, owner: str, sha256: str | None) -> dict[str, Any] | None:
        return known_report(session, owner=owner, sha256=sha256, fingerprint=self.fingerprint)

    def _check_room(self, session: Session, more: int) -> None:
        if count_unfinished(session) + more > self.settings.max_queue:
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
            gone = [self._finish(session, row, LOST, now) for row in lost]
            claimed = [row for row in taken if row not in lost]
        return Turn(tuple(rows), claimed, [row for row in gone if row is not None])

    def _is_waiting(self, stage: str) -> bool:
        with self.database.read() as session:
            return session.scalar(select(Analysis.id).where(*is_free(stage, time.time())).limit(1)) is not None

    def _take(self, session: Session, worker: str, stage: str, limit: int, now: float) -> list[Analysis]:
        oldest = session.scalars(
            select(Analysis.id)
            .where(*is_free(stage, now))
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
            known = None if job.zero_retention else self._known_report(session, job.owner, sha256)
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
                report = rename_report(known, values["name"])
                values |= ending(job, Outcome(report=report), now, self.settings, is_cached=True)
            if not is_hit(session.execute(update_held(job).values(**values))):
                return False
            if known is not None:
                announce(session, job, now)
            return True

    def _finish(self, session: Session, job: Analysis, outcome: Outcome, now: float) -> Analysis | None:
        """Write how a job ended, and the webhook message with it in the same transaction."""
        columns = ending(job, outcome, now, self.settings)
        if not is_hit(session.execute(update_held(job).values(**columns))):
            return None
        announce(session, job, now)
        return copy_row(job, columns)  # others may be looking at `job`, and this is not committed yet

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

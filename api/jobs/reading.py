"""Questions to the table of analyses; nothing here writes."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import Session, defer

from api.database import Analysis, Batch, Database
from api.jobs.records import UNFINISHED
from api.settings import Settings


class JobReader:
    """What can be asked of the analyses; every method is one short transaction."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings

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
            return count_unfinished(session) < self.settings.max_queue

    def depth(self) -> dict[str, int]:
        """Return the number of analyses by status."""
        with self.database.read() as session:
            rows = session.execute(select(Analysis.status, func.count()).group_by(Analysis.status))
            return {str(status): int(count) for status, count in rows}

    def backlog(self, stage: str, *, most: int) -> int:
        """Return how many jobs wait in a stage, counting no further than `most`."""
        waiting = select(Analysis.id).where(Analysis.status == "queued", Analysis.stage == stage).limit(most)
        with self.database.read() as session:
            return session.scalar(select(func.count()).select_from(waiting.subquery())) or 0


def count_unfinished(session: Session) -> int:
    """Return how many analyses wait or run."""
    return session.scalar(select(func.count()).where(Analysis.status.in_(UNFINISHED))) or 0

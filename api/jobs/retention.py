"""Erasing in time: files, results, tombstones, forgotten keys of calls, and files that no analysis knows."""

from __future__ import annotations

import itertools
import time

from sqlalchemy import delete, select, update
from sqlalchemy.orm import defer

from api.blobs import BlobStore
from api.database import Analysis, Database, Idempotency
from api.settings import Settings

ORPHAN_AGE_S = 3600.0
"""A file without an analysis for this long belongs to a call that was cut off."""

ORPHANS_EVERY_S = 1800.0

TOMBSTONE_S = 86_400.0
"""An erased result is still known as `expired` for this long, so that callers learn why it is gone."""

_AT_ONCE = 500


class Eraser:
    """Erases what is over; safe to run in several processes."""

    def __init__(self, database: Database, blobs: BlobStore, settings: Settings) -> None:
        self._database = database
        self._blobs = blobs
        self._settings = settings
        self._next_orphans = 0.0

    def run(self) -> int:
        """Erase everything that is due; returns how many files and results went."""
        count = self._erase_files() + self._expire_results()
        self._forget()
        self._erase_orphans()
        return count

    def _erase_files(self) -> int:
        """Erase files first, then their mention: a crash in between is repaired by the next run."""
        now = time.time()
        with self._database.read() as session:
            due = session.execute(
                select(Analysis.id, Analysis.blob)
                .where(Analysis.blob.is_not(None), Analysis.files_until <= now)
                .limit(_AT_ONCE)
            ).all()
        for _, blob in due:
            self._blobs.erase(str(blob))
        with self._database.write() as session:
            session.execute(
                update(Analysis)
                .where(Analysis.id.in_([row.id for row in due]))
                .values(blob=None)
                .execution_options(synchronize_session=False)
            )
        return len(due)

    def _expire_results(self) -> int:
        now = time.time()
        with self._database.write() as session:
            due = list(
                session.scalars(
                    select(Analysis)
                    .options(defer(Analysis.report))
                    .where(Analysis.status.in_(("succeeded", "failed")), Analysis.results_until <= now)
                    .limit(_AT_ONCE)
                )
            )
            blobs = [row.blob for row in due if row.blob]
            for row in due:
                row.status = "expired"
                row.report = row.verdict = row.authenticity = row.sha256 = row.size = row.source_url = None
                row.error_code = row.error_detail = row.blob = row.webhook_url = None
                row.name = ""
                row.results_until = now + TOMBSTONE_S
        for blob in blobs:
            self._blobs.erase(blob)
        return len(due)

    def _forget(self) -> None:
        now = time.time()
        with self._database.write() as session:
            session.execute(delete(Analysis).where(Analysis.status == "expired", Analysis.results_until <= now))
            session.execute(delete(Idempotency).where(Idempotency.created_at <= now - self._settings.idempotency_s))

    def _erase_orphans(self) -> None:
        """Erase files that no analysis knows, now and then: looking at all of them is not cheap."""
        if time.monotonic() < self._next_orphans:
            return
        self._next_orphans = time.monotonic() + ORPHANS_EVERY_S
        old = iter(self._blobs.older_than(ORPHAN_AGE_S))
        while blobs := list(itertools.islice(old, _AT_ONCE)):
            with self._database.read() as session:
                known = set(session.scalars(select(Analysis.blob).where(Analysis.blob.in_(blobs))))
            for blob in blobs:
                if blob not in known:
                    self._blobs.erase(blob)

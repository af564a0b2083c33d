"""Run a scan: items in, judged in order, rows settled and written in parts, one table at the end."""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from detect.analyzer import Analyzer
from detect.errors import ConfigError, WitnessmarkError
from detect.scan.items import Item
from detect.scan.known import KnownContents
from detect.scan.parts import Parts, finished_rows
from detect.scan.plan import ScanPlan
from detect.scan.rows import Row, plain_name
from detect.scan.sources import count_sources, read_sources

_RATE_S = 30.0
"""The rate shown is that of the last so many seconds, so that it follows what happens now."""


@dataclass
class ScanSummary:
    """How far a scan is, and at its end what came of it.

    Attributes:
        rows: Rows of the table so far.
        resumed: Rows that an earlier run had written.
        total: Files of the source, once they are counted; None while, or when, nobody knows.
        errors: How often each error code occurred in this run.
        verdicts: How often each verdict occurred in this run.
        duplicates: Files of this run with the content of an earlier one.
        elapsed_s: Seconds of this run.
        rate: Files a second, lately.
    """

    rows: int = 0
    resumed: int = 0
    total: int | None = None
    errors: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    elapsed_s: float = 0.0
    rate: float = 0.0

    @property
    def remaining_s(self) -> float | None:
        """Seconds to the end at the present rate, or None."""
        if self.total is None or self.rate <= 0:
            return None
        return max(0.0, (self.total - self.rows) / self.rate)

    def count(self, rows: Iterable[Row]) -> None:
        """Add judged rows."""
        for row in rows:
            self.rows += 1
            self.duplicates += row["duplicate_of"] is not None
            if row["error_code"] is not None:
                self.errors[row["error_code"]] += 1
            else:
                self.verdicts[row["verdict"]] += 1


class Executor(Protocol):
    """What judges: processes of this machine, or a cluster."""

    def run(self, chunks: Iterable[list[Item]]) -> Iterator[list[Row]]:
        """Yield the rows of each chunk, in the order of the chunks."""

    def close(self) -> None:
        """End what was started."""


def scan(
    plan: ScanPlan,
    *,
    is_fresh: bool = False,
    on_progress: Callable[[ScanSummary], None] = lambda summary: None,
    make_executor: Callable[[ScanPlan, Path], Executor] | None = None,
) -> ScanSummary:
    """Judge every file of the sources into `plan.out`; goes on where an earlier run of the same plan ended.

    Args:
        plan: From where, to where, how.
        is_fresh: Forget what earlier runs have written.
        on_progress: Called after each chunk.
        make_executor: What judges, made from the plan and the database of known contents; default: processes here.

    Raises:
        ConfigError: A source cannot be read, or has changed since the run that this one goes on from.
        EngineError: Nothing can be judged.
    """
    identity = plan.identity(Analyzer(plan.settings).pipeline)
    if is_fresh:
        plan.out.unlink(missing_ok=True)
    parts = Parts(plan.work, identity)
    if (done := finished_rows(plan.out, identity)) is not None:
        parts.remove()
        return ScanSummary(rows=done, resumed=done, total=done)
    parts.open(is_fresh=is_fresh)
    try:
        summary = _run(plan, parts, on_progress, make_executor or _local)
        parts.finish(plan.out)
        return summary
    finally:
        parts.close()


def _local(plan: ScanPlan, known: Path) -> Executor:
    from detect.scan.processes import Processes

    return Processes(plan.settings, known=known, count=plan.processes, chunk_items=plan.chunk_items)


def _run(
    plan: ScanPlan,
    parts: Parts,
    on_progress: Callable[[ScanSummary], None],
    make_executor: Callable[[ScanPlan, Path], Executor],
) -> ScanSummary:
    items = read_sources(plan.sources, max_bytes=plan.settings.limits.max_bytes)
    _skip_done(items, parts)
    summary = ScanSummary(rows=parts.rows, resumed=parts.rows)
    _count_in_background(plan, summary)
    database = parts.folder / "known.sqlite"
    known = KnownContents(database)
    known.settle(parts.known())
    first = next(items, None)
    if first is None:
        known.close()
        if not parts.rows:
            raise ConfigError(f"{', '.join(plan.sources)}: no media files found")
        return summary
    executor = make_executor(plan, database)
    pending: list[Row] = []
    pace = _Pace(summary)
    written = time.monotonic()
    try:
        for rows in executor.run(make_chunks(itertools.chain([first], items), plan)):
            settled = known.settle(rows)
            pending += settled
            summary.count(settled)
            pace.step()
            on_progress(summary)
            if len(pending) >= plan.part_rows or time.monotonic() - written >= plan.part_s:
                parts.add(pending)
                pending, written = [], time.monotonic()
    finally:
        if pending:
            parts.add(pending)
        executor.close()
        known.close()
    return summary


def make_chunks(items: Iterable[Item], plan: ScanPlan) -> Iterator[list[Item]]:
    """Yield items in chunks of at most `chunk_items` files and about `chunk_bytes` carried bytes."""
    chunk: list[Item] = []
    carried = 0
    for item in items:
        chunk.append(item)
        carried += len(item.data or b"")
        if len(chunk) >= plan.chunk_items or carried >= plan.chunk_bytes:
            yield chunk
            chunk, carried = [], 0
    if chunk:
        yield chunk


def _skip_done(items: Iterator[Item], parts: Parts) -> None:
    """Pass over the files that have rows.

    Raises:
        ConfigError: They are not the files that the rows are of.
    """
    names = hashlib.sha256()
    count = 0
    for item in itertools.islice(items, parts.rows):
        names.update(plain_name(item.name).encode() + b"\0")
        count += 1
    if count != parts.rows or names.digest() != parts.names.digest():
        raise ConfigError(
            f"the source has changed: its first {parts.rows} files are not those that {parts.folder} has rows of; "
            "start over with --fresh"
        )


def _count_in_background(plan: ScanPlan, summary: ScanSummary) -> None:
    def count() -> None:
        try:
            summary.total = count_sources(plan.sources)
        except (WitnessmarkError, OSError):  # the scan itself will say so
            summary.total = None

    threading.Thread(target=count, name="count", daemon=True).start()


class _Pace:
    """Keeps the rate of the last seconds."""

    def __init__(self, summary: ScanSummary) -> None:
        self._summary = summary
        self._started = time.monotonic()
        self._marks = [(self._started, summary.rows)]

    def step(self) -> None:
        now = time.monotonic()
        self._summary.elapsed_s = now - self._started
        if now - self._marks[-1][0] >= 1.0 or len(self._marks) == 1:
            self._marks.append((now, self._summary.rows))
        while len(self._marks) > 2 and now - self._marks[1][0] > _RATE_S:
            self._marks.pop(0)
        since, rows = self._marks[0]
        self._summary.rate = (self._summary.rows - rows) / max(now - since, 1e-6)

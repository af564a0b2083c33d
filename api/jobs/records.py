"""What goes into the store and comes out of it: statuses, new jobs, outcomes, and the two refusals."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from api.database import Analysis, new_id
from api.problems import callers_text, is_callers_affair
from detect.errors import WitnessmarkError
from detect.serialize import report_to_dict
from detect.types import Report

log = logging.getLogger(__name__)

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


INTERNAL = Outcome(error_code="internal_error", error_detail="the analysis failed; the operator can see why in the log")
LOST = Outcome(
    error_code="worker_lost",
    error_detail="the analysis was interrupted too often; the file may be what stops the workers",
)


def outcome_of(error: Exception, job: Analysis) -> Outcome:
    """Return how a job ends that raised: the caller's own affairs with their text, the others without."""
    if isinstance(error, WitnessmarkError) and is_callers_affair(error):
        return Outcome(error_code=error.code, error_detail=callers_text(error))
    log.error("analysis %s failed", job.id, exc_info=error)
    code = error.code if isinstance(error, WitnessmarkError) else "internal_error"
    return Outcome(error_code=code, error_detail=INTERNAL.error_detail)


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

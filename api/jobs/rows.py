"""Rows of analyses: the columns of an ending, the conditions of a lease, reports that are known already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import CursorResult, or_, select, update
from sqlalchemy.orm import Session

from api.database import Analysis, Delivery, new_id
from api.jobs.records import Outcome
from api.settings import Settings


def ending(
    job: Analysis, outcome: Outcome, now: float, settings: Settings, *, is_cached: bool = False
) -> dict[str, Any]:
    """Return the columns of a job that has ended so."""
    report = outcome.report
    return {
        "status": "failed" if report is None else "succeeded",
        "report": report,
        "verdict": None if report is None else str(report["verdict"]),
        "authenticity": None if report is None else report["authenticity"],
        "error_code": outcome.error_code,
        "error_detail": outcome.error_detail,
        "finished_at": now,
        "results_until": now + (settings.zero_retention_result_s if job.zero_retention else settings.keep_results_s),
        "files_until": now + (0.0 if job.zero_retention else settings.keep_files_s),
        "source_url": None,
        "worker": None,
        "lease_until": None,
        "is_cached": is_cached,
    }


def announce(session: Session, job: Analysis, now: float) -> None:
    """Leave a message for the webhook of a job that has ended, where it has one."""
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


def known_report(session: Session, *, owner: str, sha256: str | None, fingerprint: str) -> dict[str, Any] | None:
    """Return the report of the same bytes under the same pipeline, of the same owner: nobody learns of others."""
    if sha256 is None:
        return None
    return session.scalar(
        select(Analysis.report)
        .where(
            Analysis.sha256 == sha256,
            Analysis.fingerprint == fingerprint,
            Analysis.owner == owner,
            Analysis.status == "succeeded",
            Analysis.zero_retention.is_(False),
        )
        .limit(1)
    )


def is_free(stage: str, now: float) -> tuple[Any, Any]:
    """Return the conditions of jobs that may be claimed."""
    return (
        or_(Analysis.status == "queued", (Analysis.status == "running") & (Analysis.lease_until < now)),
        Analysis.stage == stage,
    )


def update_held(job: Analysis) -> Any:
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


def write_columns(row: Analysis, values: Mapping[str, Any]) -> None:
    """Set columns of a row that is not stored yet."""
    for name, value in values.items():
        setattr(row, name, value)


def copy_row(row: Analysis, values: Mapping[str, Any]) -> Analysis:
    """Return another object of the same row, with some columns changed; it belongs to no session."""
    return Analysis(**{**{name: getattr(row, name) for name in Analysis.__mapper__.columns.keys()}, **values})  # noqa: SIM118


def is_hit(result: Any) -> bool:
    """Say whether an update changed its one row."""
    return isinstance(result, CursorResult) and result.rowcount == 1


def rename_report(report: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a report of the same bytes under the name that this caller gave them; a note on the old name goes."""
    media = report["media"]
    if media and media["name"] != name:
        notes = [note for note in media["notes"] if note["code"] != "extension_mismatch"]
        media = {**media, "name": name, "notes": notes}
    return {**report, "path": name, "media": media}

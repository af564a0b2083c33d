"""`/v1/batches`: many URLs in one call as JSON Lines; results as JSON Lines or Parquet."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import Field, ValidationError

from api.database import Analysis
from api.jobs.records import IdempotencyConflictError, NewJob, QueueFullError
from api.problems import ProblemError, not_found
from api.routes.analyses import IDEMPOTENCY_KEY, Analyst, Reader, check_urls, refusal, refuse_while_draining
from api.schemas import BatchBody, Body, analysis_body, batch_body
from api.security import Caller, check_rate
from api.state import Service, service_of
from api.uploads import read_body, replay_of
from detect.errors import WitnessmarkError

router = APIRouter(prefix="/v1/batches", tags=["batches"])

JSONL = "application/x-ndjson"
PARQUET = "application/vnd.apache.parquet"
_CHUNK_ROWS = 200
_CHUNK_BYTES = 1024 * 1024
_MAX_ERRORS_LISTED = 20


class BatchLine(Body):
    """One line of a batch."""

    url: str = Field(max_length=4096)
    name: str | None = Field(None, max_length=255)


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {JSONL: {"schema": {"type": "string"}, "example": '{"url": "https://example.org/photo.jpg"}\n'}},
    },
    "parameters": [IDEMPOTENCY_KEY],
}


@router.post("", status_code=202, response_model=BatchBody, openapi_extra=_BODY)
async def submit_batch(request: Request, caller: Analyst) -> Response:
    """Judge many URLs, one JSON object `{"url": ..., "name": ...}` a line; all lines are taken, or none."""
    service = service_of(request)
    headers = check_rate(request, service, caller)
    refuse_while_draining(service)
    body = await read_body(request, service.settings.max_batch_bytes, service.settings.upload_timeout_s)
    jobs = await run_in_threadpool(_jobs_of, body, service, caller)
    try:
        batch_id, is_replay = await run_in_threadpool(
            service.store.submit_batch, jobs, caller.owner, replay_of(request, hashlib.sha256(body).hexdigest())
        )
    except (QueueFullError, IdempotencyConflictError) as error:
        raise refusal(error) from error
    if service.worker is not None:
        await run_in_threadpool(service.worker.wake)
    if is_replay:
        headers["Idempotency-Replayed"] = "true"
    found = await _find(service, caller, batch_id)
    headers["Location"] = found.links["self"]
    return JSONResponse(found.model_dump(mode="json"), 202, headers=headers)


@router.get("/{batch_id}", response_model=BatchBody)
async def get_batch(request: Request, caller: Reader, batch_id: str) -> BatchBody:
    """Say how far a batch is."""
    return await _find(service_of(request), caller, batch_id)


@router.get("/{batch_id}/results.jsonl", response_class=StreamingResponse)
async def get_results_jsonl(request: Request, caller: Reader, batch_id: str) -> StreamingResponse:
    """Give what is there, one analysis with its report a line, in the order of the batch."""
    service = service_of(request)
    await _find(service, caller, batch_id)
    return StreamingResponse(_lines(service, batch_id), media_type=JSONL)


@router.get("/{batch_id}/results.parquet", response_class=Response)
async def get_results_parquet(request: Request, caller: Reader, batch_id: str) -> StreamingResponse:
    """Give what is there as one table; the whole report stands in the column `report` as JSON."""
    service = service_of(request)
    await _find(service, caller, batch_id)
    table = await run_in_threadpool(_table, service, batch_id)
    return StreamingResponse(_chunks(table), media_type=PARQUET)


def _jobs_of(body: bytes, service: Service, caller: Caller) -> list[NewJob]:
    """Return the jobs of all lines.

    Raises:
        ProblemError: 422, with the numbers of the lines that do not fit; nothing is taken.
    """
    most = min(service.settings.max_batch_items, service.settings.max_queue)
    lines = [(number, line) for number, line in enumerate(body.splitlines(), start=1) if line.strip()]
    if not 0 < len(lines) <= most:
        raise ProblemError(422, "invalid_batch", f"a batch has 1 to {most} lines")
    jobs: list[NewJob] = []
    errors: list[dict[str, Any]] = []
    for number, line in lines:
        try:
            item = BatchLine.model_validate(json.loads(line))
            check_urls(service, source_url=item.url)
        except ValidationError as error:
            errors += [{"line": number, "code": part["type"], "detail": part["msg"]} for part in error.errors()]
        except (ValueError, RecursionError):
            errors.append({"line": number, "code": "not_json", "detail": "the line is not a JSON object"})
        except WitnessmarkError as error:
            errors.append({"line": number, "code": error.code, "detail": str(error)})
        else:
            jobs.append(NewJob(owner=caller.owner, name=item.name or "", source_url=item.url, batch_line=number))
    if errors:
        raise ProblemError(422, "invalid_batch", "some lines do not fit", errors=errors[:_MAX_ERRORS_LISTED])
    return jobs


async def _find(service: Service, caller: Caller, batch_id: str) -> BatchBody:
    found = await run_in_threadpool(service.store.batch, batch_id, caller.sees) if len(batch_id) <= 40 else None
    if found is None:
        raise not_found("batch")
    return batch_body(*found)


def _parts(service: Service, batch_id: str) -> Iterator[list[Analysis]]:
    line = 0
    while rows := service.store.batch_rows(batch_id, after_line=line, limit=_CHUNK_ROWS):
        yield rows
        line = rows[-1].batch_line or 0


def _lines(service: Service, batch_id: str) -> Iterator[str]:
    for rows in _parts(service, batch_id):
        for row in rows:
            yield analysis_body(row).model_dump_json() + "\n"


def _table(service: Service, batch_id: str) -> BinaryIO:
    """Write the table to a temporary file, a part at a time: a batch's reports may be more than memory should hold."""
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema(
        [
            ("line", pyarrow.int64()),
            ("id", pyarrow.string()),
            ("name", pyarrow.string()),
            ("status", pyarrow.string()),
            ("sha256", pyarrow.string()),
            ("verdict", pyarrow.string()),
            ("authenticity", pyarrow.float64()),
            ("error_code", pyarrow.string()),
            ("report", pyarrow.string()),
        ],
        metadata={"witnessmark_schema": "1.0"},
    )
    sink = tempfile.TemporaryFile()  # noqa: SIM115 - closed by whoever sends it
    try:
        with pyarrow.parquet.ParquetWriter(sink, schema) as writer:
            for rows in _parts(service, batch_id):
                writer.write_table(pyarrow.Table.from_pylist([_table_row(row) for row in rows], schema=schema))
        sink.seek(0)
    except BaseException:
        sink.close()
        raise
    return cast(BinaryIO, sink)


def _table_row(row: Analysis) -> dict[str, Any]:
    return {
        "line": row.batch_line,
        "id": row.id,
        "name": row.name,
        "status": row.status,
        "sha256": row.sha256,
        "verdict": row.verdict,
        "authenticity": row.authenticity,
        "error_code": row.error_code,
        "report": json.dumps(row.report) if row.report else None,
    }


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk

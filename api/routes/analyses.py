"""`/v1/analyses`: submit a file or URL, ask, list, erase."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from api.database import Analysis, new_id
from api.jobs.records import FINISHED, IdempotencyConflictError, NewJob, QueueFullError, Replay
from api.jobs.waiters import Listener
from api.problems import ProblemError, not_found
from api.schemas import AnalysisBody, AnalysisPage, StatusWord, UrlRequest, analysis_body
from api.security import Caller, check_rate, requires
from api.state import Service, service_of
from api.uploads import (
    MAX_JSON_BYTES,
    PAGE_FORM,
    SUBMISSION,
    Upload,
    form_content,
    parse_url_request,
    read_body,
    read_upload,
    replay_of,
)

router = APIRouter(prefix="/v1/analyses", tags=["analyses"])

RETRY_AFTER_S = 2
Analyst = Annotated[Caller, Depends(requires("analyze"))]
Cursor = Annotated[str | None, Query(pattern="^an_[0-9a-f]{31}$", description="`next_cursor` of the part before.")]
Reader = Annotated[Caller, Depends(requires("read"))]

_PREFER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "schema": {"type": "string"},
    "example": "wait=10",
    "description": "`wait=N`: answer with the result if it is there within N seconds (RFC 7240).",
}
IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "maxLength": 255},
    "description": "The same key within 24 h means the same call: it is never done twice.",
}
_SUBMIT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": form_content(SUBMISSION) | {"application/json": {"schema": UrlRequest.model_json_schema()}},
    },
    "parameters": [_PREFER, IDEMPOTENCY_KEY],
}


@router.post("", responses={200: {"model": AnalysisBody}, 202: {"model": AnalysisBody}}, openapi_extra=_SUBMIT_BODY)
async def submit_analysis(request: Request, caller: Analyst) -> Response:
    """Judge a file or, where the service allows it, a URL."""
    service = service_of(request)
    headers = check_rate(request, service, caller)
    refuse_while_draining(service)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    job_id, wait_s = new_id("an"), wished_wait_s(request, service.settings.max_wait_s)
    with service.waiters.listen(job_id) as listener:
        if kind == "multipart/form-data":
            row, is_replay = await submit_file(request, service, caller, job_id)
        elif kind == "application/json":
            row, is_replay = await _submit_url(request, service, caller, job_id)
        else:
            raise ProblemError(415, "unsupported_media", "send multipart/form-data with a file, or application/json")
        if wait_s and row.status not in FINISHED and not is_replay:
            row = await _end_of(service, row, listener, wait_s)
    if is_replay and wait_s:
        row = await _settled(service, caller, row.id, wait_s)
    if is_replay:
        headers["Idempotency-Replayed"] = "true"
    return _answer(row, headers, wait_s > 0)


@router.get("", response_model=AnalysisPage)
async def list_analyses(
    request: Request,
    caller: Reader,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    status: StatusWord | None = None,
) -> AnalysisPage:
    """List one's own analyses, newest first."""
    store = service_of(request).store
    rows = await run_in_threadpool(store.page, caller.sees, before=cursor, limit=limit + 1, status=status)
    is_more = len(rows) > limit
    items = [analysis_body(row, is_full=False) for row in rows[:limit]]
    return AnalysisPage(items=items, next_cursor=items[-1].id if is_more else None)


@router.get("/{analysis_id}", response_model=AnalysisBody, openapi_extra={"parameters": [_PREFER]})
async def get_analysis(request: Request, caller: Reader, analysis_id: str) -> AnalysisBody:
    """Return one analysis; with `Prefer: wait=N` it waits for the end."""
    service = service_of(request)
    wait_s = wished_wait_s(request, service.settings.max_wait_s)
    return analysis_body(await _settled(service, caller, analysis_id, wait_s))


@router.delete("/{analysis_id}", status_code=204)
async def erase_analysis(request: Request, caller: Analyst, analysis_id: str) -> Response:
    """Erase an analysis with its file and result, at once."""
    service = service_of(request)
    await find(service, caller, analysis_id)
    blob = await run_in_threadpool(service.store.erase, analysis_id)
    if blob:
        await run_in_threadpool(service.blobs.erase, blob)
    return Response(status_code=204)


async def find(service: Service, caller: Caller, analysis_id: str) -> Analysis:
    """Return an analysis that the caller may see.

    Raises:
        ProblemError: 404, also for what belongs to others.
    """
    row = await run_in_threadpool(service.store.get, analysis_id, caller.sees) if len(analysis_id) <= 40 else None
    if row is None:
        raise not_found("analysis")
    return row


def refuse_while_draining(service: Service) -> None:
    """Take no new work while the service shuts down.

    Raises:
        ProblemError: 503.
    """
    if service.is_draining:
        raise ProblemError(503, "shutting_down", "the service is shutting down", headers={"Retry-After": "5"})


def enqueue(service: Service, job: NewJob, replay: Replay | None) -> tuple[Analysis, bool]:
    """Store one job and wake the worker; an upload that is not needed is erased again. Runs in a thread.

    Raises:
        ProblemError: 503 the queue is full, 422 the `Idempotency-Key` stands for another call.
    """
    worker = service.worker
    lease = worker.name if worker is not None and job.blob and worker.reserve(job.id) else None
    row: Analysis | None = None
    is_new = False
    try:
        row, is_replay = service.store.submit(job, replay, worker=lease)
        is_new = not is_replay
    except (QueueFullError, IdempotencyConflictError) as error:
        raise refusal(error) from error
    finally:
        if job.blob and not is_new:
            service.blobs.erase(job.blob)
        if worker is not None and lease and not (is_new and row is not None and row.status == "running"):
            worker.forget(job.id)
    if worker is not None and is_new and row.status == "running":
        worker.begin(row)
    elif worker is not None and row.status == "queued":
        worker.wake()
    return row, is_replay


def refusal(error: QueueFullError | IdempotencyConflictError) -> ProblemError:
    """Return the problem that a refused submission means."""
    if isinstance(error, QueueFullError):
        return ProblemError(503, "queue_full", "the queue is full; try again", headers={"Retry-After": "10"})
    return ProblemError(422, "idempotency_conflict", "this Idempotency-Key stands for another request")


def check_urls(service: Service, *, source_url: str | None = None, webhook_url: str | None = None) -> None:
    """Refuse URLs where the service takes none, and those whose form alone is forbidden.

    Raises:
        ProblemError: 403 switched off.
        UrlRefusedError: The form; answered with 422.
    """
    if source_url is not None:
        if not service.settings.fetch_urls:
            raise ProblemError(403, "urls_disabled", "this service fetches no URLs; send the file")
        service.fetcher.check(source_url)
    if webhook_url is not None:
        if not service.settings.webhooks or not service.settings.webhook_secrets:
            raise ProblemError(403, "webhooks_disabled", "this service sends no webhooks; ask for the result")
        service.fetcher.check(webhook_url)


async def submit_form(request: Request, service: Service, caller: Caller) -> Analysis:
    """Take the form of the page: a file, or an address when no file was chosen."""
    return (await submit_file(request, service, caller, new_id("an"), is_page=True))[0]


async def submit_file(
    request: Request, service: Service, caller: Caller, job_id: str, *, is_page: bool = False
) -> tuple[Analysis, bool]:
    """Take a multipart form; returns the analysis and whether an earlier call has made it."""
    settings = service.settings
    fields = PAGE_FORM if is_page else SUBMISSION
    async with read_upload(request, settings.max_upload_bytes, settings.upload_timeout_s, fields) as upload:
        check_urls(service, webhook_url=upload.webhook_url)
        job = NewJob(
            owner=caller.owner, id=job_id, webhook_url=upload.webhook_url, zero_retention=upload.zero_retention
        )
        if is_page and upload.url and not upload.is_chosen:
            check_urls(service, source_url=upload.url)
            return await run_in_threadpool(enqueue, service, replace(job, source_url=upload.url), None)
        return await run_in_threadpool(_store_and_enqueue, request, service, upload, job)


def _store_and_enqueue(request: Request, service: Service, upload: Upload, job: NewJob) -> tuple[Analysis, bool]:
    """Put a received file where the workers find it, and its job with it; one step, so that one thread does it."""
    stored = service.blobs.put(upload.stream, max_bytes=service.settings.max_upload_bytes)
    try:
        replay = replay_of(request, stored.sha256, upload.name, upload.webhook_url, upload.zero_retention)
    except ProblemError:
        service.blobs.erase(stored.blob)
        raise
    found = replace(job, name=upload.name, blob=stored.blob, sha256=stored.sha256, size=stored.size)
    return enqueue(service, found, replay)


async def _submit_url(request: Request, service: Service, caller: Caller, job_id: str) -> tuple[Analysis, bool]:
    wish = parse_url_request(await read_body(request, MAX_JSON_BYTES, service.settings.upload_timeout_s))
    check_urls(service, source_url=wish.url, webhook_url=wish.webhook_url)
    job = NewJob(
        owner=caller.owner,
        id=job_id,
        source_url=wish.url,
        webhook_url=wish.webhook_url,
        zero_retention=wish.zero_retention,
    )
    return await run_in_threadpool(enqueue, service, job, replay_of(request, wish.model_dump()))


def wished_wait_s(request: Request, max_wait_s: float) -> float:
    """Return the N of `Prefer: wait=N`, at most `max_wait_s`; what cannot be read is ignored (RFC 7240, 2)."""
    match = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})\"?", request.headers.get("prefer", ""))
    return min(float(match.group(1)), max_wait_s) if match else 0.0


async def _settled(service: Service, caller: Caller, analysis_id: str, wait_s: float) -> Analysis:
    """Return an analysis that the caller may see, once it has ended or after `wait_s`."""
    with service.waiters.listen(analysis_id) as listener:
        row = await find(service, caller, analysis_id)
        if row.status in FINISHED or not wait_s:
            return row
        return await _end_of(service, row, listener, wait_s)


async def _end_of(service: Service, row: Analysis, listener: Listener, wait_s: float) -> Analysis:
    """Return the ended analysis, or as it is after `wait_s`."""
    if (ended := await listener.wait(min(wait_s, service.drain_left_s) if service.is_draining else wait_s)) is not None:
        return ended
    found = await run_in_threadpool(service.store.get, row.id, None)
    if found is None:
        raise not_found("analysis")  # erased while this call waited
    return found


def _answer(row: Analysis, headers: dict[str, str], waited: bool) -> Response:
    body = analysis_body(row)
    headers["Location"] = body.links["self"]
    if waited:
        headers["Preference-Applied"] = "wait"
    is_done = row.status in FINISHED
    if not is_done:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return JSONResponse(body.model_dump(mode="json"), 200 if is_done else 202, headers=headers)

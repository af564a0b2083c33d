"""Read what a call brings: one file or one URL, size-limited while it streams."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.types import Message

from api.jobs.records import Replay
from api.problems import ProblemError
from api.schemas import UrlRequest
from detect.media.source import display_name

FILE_ONLY = frozenset({"file"})
SUBMISSION = FILE_ONLY | {"webhook_url", "zero_retention"}
PAGE_FORM = SUBMISSION | {"url"}
_FORM_SLACK_BYTES = 64 * 1024  # boundaries, headers and small fields around the file
MAX_JSON_BYTES = 64 * 1024
MAX_IDEMPOTENCY_KEY_CHARACTERS = 255
_FIELDS: dict[str, dict[str, Any]] = {
    "file": {"type": "string", "format": "binary"},
    "webhook_url": {"type": "string", "maxLength": 4096},
    "zero_retention": {"type": "boolean", "default": False},
}


def form_content(fields: frozenset[str] = FILE_ONLY) -> dict[str, Any]:
    """Return what OpenAPI says of a form with a file that `read_upload` takes with these fields."""
    form = {
        "type": "object",
        "additionalProperties": False,
        "required": ["file"],
        "properties": {name: schema for name, schema in _FIELDS.items() if name in fields},
    }
    return {"multipart/form-data": {"schema": form}}


@dataclass(frozen=True)
class Upload:
    """A received file, at its start."""

    stream: BinaryIO
    name: str
    webhook_url: str | None
    zero_retention: bool
    url: str = ""
    is_chosen: bool = True  # a form without a chosen file still sends an empty one


def limit_body(request: Request, max_bytes: int) -> Request:
    """Return the request with a body that fails with 413 as soon as it is longer than `max_bytes`."""
    received, inner = 0, request.receive

    async def receive() -> Message:
        nonlocal received
        message = await inner()
        received += len(message.get("body", b""))
        if received > max_bytes:
            raise too_large(max_bytes)
        return message

    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise too_large(max_bytes)  # saves the caller the upload; the count above is what binds
    return Request(request.scope, receive)


def too_large(max_bytes: int) -> ProblemError:
    """Return the problem of a body that is too long."""
    return ProblemError(413, "media_too_large", f"at most {max_bytes} bytes are taken", headers={"Connection": "close"})


@contextlib.asynccontextmanager
async def read_upload(
    request: Request, max_bytes: int, timeout_s: float, fields: frozenset[str] = FILE_ONLY
) -> AsyncIterator[Upload]:
    """Read a multipart form with one file in the field `file`; larger files wait on disk, not in memory.

    Raises:
        ProblemError: 408 too slow, 413 too long, 422 not such a form.
    """
    limited = limit_body(request, max_bytes + _FORM_SLACK_BYTES)
    try:
        async with arriving(timeout_s):
            form = await limited.form(max_files=1, max_fields=4, max_part_size=16 * 1024)
    except HTTPException as error:
        raise ProblemError(422, "invalid_form", "the multipart form cannot be read, or has too many parts") from error
    try:
        yield _upload_of(form, fields)
    finally:
        await form.close()


def _upload_of(form: FormData, fields: frozenset[str]) -> Upload:
    if unknown := set(form) - fields:
        raise ProblemError(422, "invalid_form", f"expected only {', '.join(sorted(fields))}; {len(unknown)} more came")
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise ProblemError(422, "invalid_form", "expected one file in the form field 'file'")
    webhook = form.get("webhook_url")
    private = form.get("zero_retention", "false")
    if private not in ("true", "false"):
        raise ProblemError(422, "invalid_form", "zero_retention must be true or false")
    return Upload(
        stream=file.file,
        name=display_name(file.filename or "file"),
        webhook_url=str(webhook) if webhook else None,
        zero_retention=private == "true",
        url=str(form.get("url") or "").strip(),
        is_chosen=bool(file.filename),
    )


async def read_body(request: Request, max_bytes: int, timeout_s: float) -> bytes:
    """Return the body.

    Raises:
        ProblemError: 408 too slow, 413 too long.
    """
    async with arriving(timeout_s):
        return await limit_body(request, max_bytes).body()


@contextlib.asynccontextmanager
async def arriving(timeout_s: float) -> AsyncIterator[None]:
    """Give a body so long to arrive: one that trickles in would hold its connection and its file for ever.

    Raises:
        ProblemError: 408.
    """
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as error:
        close = {"Connection": "close"}
        raise ProblemError(408, "too_slow", f"the body did not arrive within {timeout_s:g} s", headers=close) from error


def parse_url_request(body: bytes) -> UrlRequest:
    """Return the parsed JSON body.

    Raises:
        ProblemError: 422, with a pointer to each field that does not fit.
    """
    try:
        return UrlRequest.model_validate(json.loads(body))
    except ValidationError as error:
        errors = [
            {"pointer": "/".join(str(part) for part in item["loc"]), "code": item["type"], "detail": item["msg"]}
            for item in error.errors()
        ]
        raise ProblemError(422, "invalid_request", "the JSON body does not fit", errors=errors) from error
    except (ValueError, RecursionError) as error:
        raise ProblemError(422, "invalid_request", "the body is not JSON") from error


def replay_of(request: Request, *parts: object) -> Replay | None:
    """Return how this call is recognised when it comes again; None without an `Idempotency-Key`.

    Raises:
        ProblemError: 422 for a key that is too long.
    """
    key = request.headers.get("idempotency-key")
    if not key:
        return None
    if len(key) > MAX_IDEMPOTENCY_KEY_CHARACTERS:
        raise ProblemError(422, "invalid_request", "Idempotency-Key has at most 255 characters")
    content = json.dumps([request.url.path, *parts], default=str).encode()
    return Replay(key, hashlib.sha256(content).hexdigest())

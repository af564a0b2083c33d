"""What both clients share: calls as plain values, answers as typed ones, problems as one error."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from detect.errors import WitnessmarkError
from detect.serialize import report_from_dict
from detect.types import Report

FileLike = str | os.PathLike[str] | bytes | BinaryIO

MAX_TRIES = 4
DEFAULT_TIMEOUT_S = 60.0
_LONGEST_PAUSE_S = 30.0
_WORTH_ANOTHER_TRY = (429, 502, 503, 504)


class ServiceError(WitnessmarkError):
    """The service answered with a problem, or not at all (`status` 0).

    Attributes:
        status: HTTP status.
        code: The problem's stable code, as those of `detect.errors`.
        problem: The whole RFC 9457 body.
    """

    def __init__(self, status: int, code: str, detail: str, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.problem = dict(problem or {})


@dataclass(frozen=True)
class Analysis:
    """One analysis; `report` is there once `status` is `succeeded`, `error_code` once it is `failed`."""

    id: str
    status: str
    verdict: str | None
    authenticity: float | None
    report: Report | None
    error_code: str | None
    is_cached: bool
    body: Mapping[str, Any] = field(repr=False)

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will come."""
        return self.status not in ("queued", "running")


@dataclass(frozen=True)
class Batch:
    """How far a batch is; `counts` by status."""

    id: str
    status: str
    total: int
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Page:
    """A part of the list; `next_cursor` is None at its end."""

    items: tuple[Analysis, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class Call:
    """One HTTP call, ready for either client; `file` is read once into memory, so that it can be sent again."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    content: bytes | None = None
    file: tuple[str, bytes] | None = None
    form: Mapping[str, str] = field(default_factory=dict)

    def arguments(self) -> dict[str, Any]:
        """Return what `httpx.Client.request` takes."""
        given: dict[str, Any] = {"method": self.method, "url": self.path, "headers": dict(self.headers)}
        if self.params:
            given["params"] = dict(self.params)
        if self.json is not None:
            given["json"] = self.json
        if self.content is not None:
            given["content"] = self.content
        if self.file is not None:
            given["files"] = {"file": self.file}
            given["data"] = dict(self.form)
        return given


def submit_file(
    file: FileLike, *, name: str | None, wait_s: float, webhook_url: str | None, zero_retention: bool, key: str | None
) -> Call:
    """Return the call that submits a file."""
    form = {"zero_retention": "true"} if zero_retention else {}
    if webhook_url:
        form["webhook_url"] = webhook_url
    return Call("POST", "/v1/analyses", _submission(wait_s, key), file=read_file(file, name), form=form)


def submit_url(url: str, *, wait_s: float, webhook_url: str | None, zero_retention: bool, key: str | None) -> Call:
    """Return the call that submits a URL."""
    body = {"url": url, "webhook_url": webhook_url, "zero_retention": zero_retention}
    return Call("POST", "/v1/analyses", _submission(wait_s, key), json=body)


def get_analysis(analysis_id: str, wait_s: float) -> Call:
    """Return the call that asks for an analysis."""
    return Call("GET", f"/v1/analyses/{analysis_id}", {"Prefer": f"wait={int(wait_s)}"} if wait_s else {})


def list_analyses(cursor: str | None, limit: int, status: str | None) -> Call:
    """Return the call that lists analyses."""
    given = {"cursor": cursor, "limit": limit, "status": status}
    return Call("GET", "/v1/analyses", params={name: value for name, value in given.items() if value is not None})


def submit_batch(lines: bytes, key: str | None) -> Call:
    """Return the call that submits JSON Lines."""
    headers = {**_submission(0, key), "Content-Type": "application/x-ndjson"}
    return Call("POST", "/v1/batches", headers, content=lines)


def read_file(file: FileLike, name: str | None) -> tuple[str, bytes]:
    """Return name and bytes of what the caller gave."""
    if isinstance(file, bytes):
        return name or "file", file
    if isinstance(file, str | os.PathLike):
        path = Path(file)
        return name or path.name, path.read_bytes()
    return name or os.path.basename(str(getattr(file, "name", "file"))), file.read()


def analysis_of(body: Mapping[str, Any]) -> Analysis:
    """Return the typed form of an answer."""
    report, error = body.get("report"), body.get("error")
    return Analysis(
        id=body["id"],
        status=body["status"],
        verdict=body["verdict"],
        authenticity=body["authenticity"],
        report=report_from_dict(report) if report else None,
        error_code=error["code"] if error else None,
        is_cached=body["is_cached"],
        body=body,
    )


def page_of(body: Mapping[str, Any]) -> Page:
    """Return the typed form of an answer."""
    return Page(tuple(analysis_of(item) for item in body["items"]), body["next_cursor"])


def batch_of(body: Mapping[str, Any]) -> Batch:
    """Return the typed form of an answer."""
    return Batch(body["id"], body["status"], body["total"], body["counts"])


def checked(response: httpx.Response) -> httpx.Response:
    """Return a success; raise what else it is.

    Raises:
        ServiceError: A problem of the service, or an answer of something else in between.
    """
    if response.is_success:
        return response
    try:
        problem = response.json()
        raise ServiceError(response.status_code, problem["code"], problem["detail"], problem)
    except (ValueError, KeyError, TypeError) as error:
        raise ServiceError(response.status_code, "http_error", f"the answer was {response.status_code}") from error


def pause_s(response: httpx.Response | None, tries: int) -> float | None:
    """Return how long to wait before another try; None when none is worth it."""
    if tries >= MAX_TRIES or (response is not None and response.status_code not in _WORTH_ANOTHER_TRY):
        return None
    asked = response.headers.get("retry-after", "") if response is not None else ""
    return min(float(asked) if asked.isdigit() else 0.25 * 2**tries, _LONGEST_PAUSE_S)


def headers_of(key: str | None) -> dict[str, str]:
    """Return the headers of every call."""
    return {"User-Agent": "witnessmark-client", **({"Authorization": f"Bearer {key}"} if key else {})}


def unreachable(error: httpx.HTTPError) -> ServiceError:
    """Return the error of a service that did not answer."""
    return ServiceError(0, "service_unreachable", f"the service did not answer: {type(error).__name__}")


def _submission(wait_s: float, key: str | None) -> dict[str, str]:
    headers = {"Idempotency-Key": key or secrets.token_hex(16)}
    if wait_s:
        headers["Prefer"] = f"wait={int(wait_s)}"
    return headers

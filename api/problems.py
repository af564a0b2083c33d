"""RFC 9457 problems: every error answer of the service has this one shape, and none shows an exception's text."""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from detect.errors import MissingExtraError, WitnessmarkError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:witnessmark:problem:"

# Codes of the library to HTTP: the caller's file is the caller's affair (4xx), the rest is ours.
_STATUS_OF = {
    "unsupported_media": 415,
    "media_too_large": 413,
    "corrupt_media": 422,
    "media_too_short": 422,
    "media_unreadable": 422,
    "decode_timeout": 422,
    "media_error": 422,
    "url_refused": 422,
    "url_unreachable": 422,
    "missing_extra": 501,
    "engine_busy": 503,
}
_NAMED = {404: "not_found", 405: "method_not_allowed", 400: "bad_request", 415: "unsupported_media"}


class ProblemError(Exception):
    """An answer other than success, raised anywhere below a route.

    Attributes:
        status: HTTP status.
        code: Stable, snake case, safe to branch on.
        detail: One sentence for the caller: what was given, what is expected, what to do.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.errors = list(errors)


def not_found(what: str) -> ProblemError:
    """Return the problem of something that is not there, or not the caller's."""
    return ProblemError(404, "not_found", f"there is no such {what}")


def is_callers_affair(error: WitnessmarkError) -> bool:
    """Say whether an error lies in what the caller sent; the text of any other may tell about the inside."""
    return 400 <= _STATUS_OF.get(error.code, 500) < 500


def callers_text(error: WitnessmarkError) -> str:
    """Return the text of an error for the caller, without the places of our temporary files, which decoders quote."""
    return re.sub(re.escape(tempfile.gettempdir()) + r"/[^\s'\"]*", "the file", str(error))


def problem_of(error: WitnessmarkError) -> ProblemError:
    """Return the problem that an error of the library means."""
    status = _STATUS_OF.get(error.code, 500)
    is_open = is_callers_affair(error) or isinstance(error, MissingExtraError)
    detail = callers_text(error) if is_open else "the service is not able to do this now; its log says why"
    return ProblemError(status, error.code, detail)


def render(request: Request, problem: ProblemError) -> Response:
    """Return the answer of a problem."""
    body: dict[str, Any] = {
        "type": TYPE_PREFIX + problem.code,
        "title": _title(problem.status),
        "status": problem.status,
        "detail": problem.detail,
        "instance": f"urn:witnessmark:request:{getattr(request.state, 'request_id', 'unknown')}",
        "code": problem.code,
    }
    if problem.errors:
        body["errors"] = problem.errors
    return JSONResponse(body, problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def install(app: FastAPI, methods_of: Callable[[Request], Sequence[str]]) -> None:
    """Let every error of the application end as a problem.

    Args:
        app: The application.
        methods_of: The methods that are allowed at the address of a call.
    """

    @app.exception_handler(ProblemError)
    async def _problem(request: Request, error: ProblemError) -> Response:
        return render(request, error)

    @app.exception_handler(WitnessmarkError)
    async def _library(request: Request, error: WitnessmarkError) -> Response:
        problem = problem_of(error)
        if not is_callers_affair(error):
            log.error("library error", exc_info=error)
        return render(request, problem)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        code = _NAMED.get(error.status_code, "http_error")
        detail = {
            404: "there is nothing at this address",
            405: "this address does not know that method",
        }.get(error.status_code, _title(error.status_code))
        headers = dict(error.headers or {})
        if error.status_code == 405 and (methods := methods_of(request)):
            headers["Allow"] = ", ".join(methods)  # of all routes at this address, not only of the first
        return render(request, ProblemError(error.status_code, code, detail, headers=headers))

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        # The given values are left out: they may be secret, and the caller knows them.
        errors = [
            {"pointer": "/".join(str(part) for part in item["loc"]), "code": item["type"], "detail": item["msg"]}
            for item in error.errors()
        ]
        return render(request, ProblemError(422, "invalid_request", "the request does not fit", errors=errors))

    @app.exception_handler(ClientDisconnect)
    async def _gone(request: Request, error: ClientDisconnect) -> Response:
        # Nobody reads this; it keeps a caller who hung up from being counted and logged as a fault of ours.
        return render(request, ProblemError(400, "bad_request", "the body was not sent to its end"))

    @app.exception_handler(Exception)
    async def _unforeseen(request: Request, error: Exception) -> Response:
        log.error("unforeseen error", exc_info=error)
        return render(request, ProblemError(500, "internal_error", "something broke; the operator's log says what"))


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"

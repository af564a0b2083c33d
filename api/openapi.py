"""The OpenAPI 3.1 document: the library's Report schema as a component, problems for every error answer."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.problems import MEDIA_TYPE, TYPE_PREFIX
from api.schemas import REPORT_COMPONENT, ProblemBody
from detect.render.schema import report_schema

_PREFIX = "#/components/schemas/"
_COMMON = {
    "400": "The request cannot be read.",
    "401": "No valid key.",
    "403": "Not allowed for this key, this page, or switched off.",
    "404": "Not there, or not yours.",
    "408": "The body took too long to arrive.",
    "409": "Nothing to show: not finished yet, failed, or not in a file of this kind.",
    "410": "Erased in time.",
    "413": "Too large.",
    "415": "Not a kind of file or body that is read here.",
    "421": "Not a host name of this service.",
    "422": "The request, or the file, does not fit.",
    "429": "Too many calls; see Retry-After.",
    "500": "Something broke.",
    "501": "Needs a part that is not installed.",
    "503": "Queue full or shutting down; see Retry-After.",
}


_NOT_ALWAYS = ("/heatmap.png", "/spectrogram.png", "/sound.wav")
_EXAMPLES = {
    401: ("unauthorized", "give a valid key: 'Authorization: Bearer wm_...' or 'X-API-Key: wm_...'"),
    403: ("urls_disabled", "this service fetches no URLs; send the file"),
    404: ("not_found", "there is no such analysis"),
    408: ("too_slow", "the body did not arrive within 600 s"),
    409: ("not_finished", "the analysis has not ended yet"),
    410: ("erased", "the result has been erased in time"),
    413: ("media_too_large", "at most 268435456 bytes are taken"),
    415: ("unsupported_media", "send multipart/form-data with a file, or application/json"),
    421: ("misdirected_request", "this service does not answer to that host name"),
    422: ("url_refused", "the URL leads to an address that is not public"),
    429: ("rate_limited", "too many calls; try again in 7 s"),
    501: ("missing_extra", "PDF needs WeasyPrint; install it with: pip install 'witnessmark[report]'"),
    503: ("queue_full", "the queue is full; try again"),
}


def describe(app: FastAPI) -> None:
    """Give the application its OpenAPI document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _build(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _build(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, summary=app.summary, routes=app.routes, openapi_version="3.1.0"
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas |= _report_components()
    schemas["Problem"] = ProblemBody.model_json_schema()
    for name in ("HTTPValidationError", "ValidationError"):  # of FastAPI; here every error is a problem
        schemas.pop(name, None)
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "A key as `witnessmark keys create` shows it."},
        "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    document["security"] = [{"bearer": []}, {"header": []}, {}]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _add_problems(path, operation)
    for path, parameter in (("/v1/analyses", "analysis_id"), ("/v1/batches", "batch_id")):
        _add_links(document["paths"], path, parameter)
    return document


def allowed_methods(app: FastAPI, path: str) -> list[str]:
    """Return the methods that the document knows for a path, sorted; none for a path that it does not know."""
    for template, operations in app.openapi()["paths"].items():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path):
            return sorted(method.upper() for method in operations)
    return []


def _add_links(paths: dict[str, Any], made_by: str, parameter: str) -> None:
    """Say what can be asked about a thing once it is made; not what only some of them have, as a spectrogram."""
    links = {
        operation["operationId"]: {
            "operationId": operation["operationId"],
            "parameters": {parameter: "$response.body#/id"},
        }
        for path, operations in paths.items()
        if path.startswith(f"{made_by}/{{") and not path.endswith(_NOT_ALWAYS)
        for operation in operations.values()
    }
    for status, answer in paths[made_by]["post"]["responses"].items():
        if status in ("200", "202"):
            answer["links"] = links


def _add_problems(path: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    for status, description in _COMMON.items():
        if status == "503" and path == "/readyz":
            continue
        responses[status] = {
            "description": description,
            "content": {MEDIA_TYPE: {"schema": {"$ref": _PREFIX + "Problem"}, "example": _problem(int(status))}},
        }


def _problem(status: int) -> dict[str, Any]:
    """Return what a problem of that status looks like."""
    code, detail = _EXAMPLES.get(status, ("http_error", HTTPStatus(status).phrase))
    return {
        "type": TYPE_PREFIX + code,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": "urn:witnessmark:request:0123456789abcdef",
        "code": code,
    }


def _report_components() -> dict[str, Any]:
    """Return the library's schema with its definitions as components of their own."""
    schema = _moved(report_schema())
    definitions = schema.pop("$defs")
    for key in ("$schema", "$id"):
        schema.pop(key, None)
    return {**{f"Report{name}": value for name, value in definitions.items()}, REPORT_COMPONENT: schema}


def _moved(value: Any) -> Any:
    """Return a schema whose references lead to components instead of `$defs`."""
    if isinstance(value, dict):
        return {
            key: item.replace("#/$defs/", f"{_PREFIX}Report")
            if key == "$ref" and isinstance(item, str)
            else _moved(item)
            for key, item in value.items()
        }
    return [_moved(item) for item in value] if isinstance(value, list) else value

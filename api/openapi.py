"""The OpenAPI 3.1 document: the library's Report schema as a component, problems for every error answer."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.problems import MEDIA_TYPE
from api.schemas import REPORT_COMPONENT, ProblemBody
from detect.render.schema import report_schema

_PREFIX = "#/components/schemas/"
_COMMON = {
    "400": "The request cannot be read.",
    "401": "No valid key.",
    "403": "Not allowed for this key, this page, or switched off.",
    "404": "Not there, or not yours.",
    "413": "Too large.",
    "415": "Not a kind of file or body that is read here.",
    "421": "Not a host name of this service.",
    "422": "The request, or the file, does not fit.",
    "429": "Too many calls; see Retry-After.",
    "500": "Something broke.",
    "501": "Needs a part that is not installed.",
    "503": "Queue full or shutting down; see Retry-After.",
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
    return document


def _add_problems(path: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    for status, description in _COMMON.items():
        if status == "503" and path == "/readyz":
            continue
        responses[status] = {
            "description": description,
            "content": {MEDIA_TYPE: {"schema": {"$ref": _PREFIX + "Problem"}}},
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

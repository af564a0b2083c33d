"""Frozen dataclasses to JSON-ready dicts and back: the one form that command, API, files and client share."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar, cast

from detect.types import Report

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Return `value` with dataclasses as dicts, enums as values, tuples as lists, non-finite floats as None."""
    kind = type(value)
    if value is None or kind is str or kind is int or kind is bool:  # most of a Report, so first
        return value
    if kind is float:
        return value if math.isfinite(value) else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: to_plain(getattr(value, name)) for name in kind.__dataclass_fields__}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [to_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "item") and callable(value.item):  # numpy scalars
        return to_plain(value.item())
    return value


def report_to_dict(report: Report) -> dict[str, Any]:
    """Return the JSON-ready form of a Report (`docs/report.schema.json`)."""
    return cast(dict[str, Any], to_plain(report))


def report_from_dict(data: Mapping[str, Any]) -> Report:
    """Return the Report that `report_to_dict` made; unknown keys of a later minor version are ignored."""
    return cast(Report, _build(Report, data))


def _build(kind: Any, value: Any) -> Any:
    """Build a value of the annotated kind from its plain form."""
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        return _build(next(arg for arg in typing.get_args(kind) if arg is not type(None)), value)
    if origin is tuple:
        return tuple(_build(typing.get_args(kind)[0], item) for item in value)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        known = {item.name for item in dataclasses.fields(kind)}
        return kind(**{key: _build(hints[key], item) for key, item in value.items() if key in known})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    return value

"""The JSON schema of a Report, made from the dataclasses so that the two cannot drift apart.

`docs/report.schema.json` is this, written by `make schema`; a test holds them equal.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any

from detect.types import (
    SCHEMA_VERSION,
    Contribution,
    Evidence,
    HeatMap,
    Interval,
    MediaFacts,
    ModelRef,
    Operating,
    Region,
    Report,
    Span,
    Stability,
)

_PROBABILITY = {"minimum": 0, "maximum": 1}
_NOT_NEGATIVE = {"minimum": 0}
_SHA256 = {"pattern": "^[0-9a-f]{64}$"}

# What the annotations cannot say. A range stands on the value, not on its null.
_RANGES: dict[tuple[type, str], dict[str, Any]] = {
    (Report, "authenticity"): _PROBABILITY,
    (Report, "timings_ms"): {"additionalProperties": {"type": ["number", "null"]}},
    (Evidence, "p_synthetic_floor"): _PROBABILITY,
    (Evidence, "p_synthetic_ceiling"): _PROBABILITY,
    (Region, "p_synthetic"): _PROBABILITY,
    (Region, "width"): _NOT_NEGATIVE,
    (Region, "height"): _NOT_NEGATIVE,
    (Span, "p_synthetic"): _PROBABILITY,
    (HeatMap, "width"): {"minimum": 1},
    (HeatMap, "height"): {"minimum": 1},
    (ModelRef, "sha256"): _SHA256,
    (MediaFacts, "sha256"): _SHA256,
    (MediaFacts, "bytes"): _NOT_NEGATIVE,
    (Operating, "max_false_positive_rate"): {"minimum": 0, "maximum": 0.5},
    (Operating, "synthetic_threshold"): {"type": ["number", "null"]},
    (Operating, "authentic_threshold"): {"type": ["number", "null"]},
    (Stability, "authenticity"): {"additionalProperties": {"type": ["number", "null"], **_PROBABILITY}},
}

# Texts for fields whose dataclass has no `Attributes:` section.
_DESCRIPTIONS: dict[tuple[type, str], str] = {
    (Report, "verdict"): "The answer in one word.",
    (
        Report,
        "authenticity",
    ): "The headline score in [0, 1]: 1 = consistent with an authentic capture, 0 = synthetic or "
    "manipulated. Null when nothing could be scored.",
    (Report, "interval"): "95 % interval of `authenticity`.",
    (Report, "evidence"): "Everything that was looked at, also what could not be checked.",
    (
        Report,
        "contributions",
    ): "The ledger: `prior_log_odds` plus every `llr` here is the log-odds of 1 - authenticity.",
    (Report, "prior_log_odds"): "Natural-log odds of synthetic or manipulated before any evidence.",
    (Report, "limits"): "What could not be checked and what the answer does not say.",
    (Report, "disclosures"): "Marks that laws ask for (EU AI Act Art. 50, GB 45438-2025), as found.",
    (Report, "pipeline"): "Versions, weights and settings that decided this Report besides the file.",
    (Report, "timings_ms"): "Milliseconds of each step; differs from run to run.",
    (Report, "error"): "Set when the file could not be judged; the batch goes on.",
    (Report, "path"): "The path as given; odd bytes of names that are not UTF-8 appear as \\xNN.",
    (Report, "schema_version"): "Version of this form; a minor version only adds fields.",
    (Contribution, "llr"): "Nats added to the log-odds, after caps.",
    (Contribution, "raw_llr"): "Nats before caps.",
    (Operating, "max_false_positive_rate"): "Share of authentic files of the calibration set that may be accused.",
    (Operating, "synthetic_threshold"): "Total log-odds from which a file is called machine-made; null = never.",
    (Operating, "authentic_threshold"): "Total log-odds up to which a file is called authentic; null = never.",
    (Interval, "low"): "Lower end.",
    (Interval, "high"): "Upper end.",
}


def report_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of what `report_to_dict` makes.

    Every field is always present, so all are required; fields that a later minor version adds are admitted.
    """
    definitions: dict[str, Any] = {}
    root = _object(Report, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:witnessmark:report:{SCHEMA_VERSION}",
        "title": "Witnessmark report",
        **root,
        "$defs": {name: definitions[name] for name in sorted(definitions)},
    }


def _object(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a dataclass; dataclasses below it go into the definitions."""
    hints = typing.get_type_hints(kind)
    attributes = _attribute_texts(kind)
    properties: dict[str, Any] = {}
    for item in dataclasses.fields(kind):
        schema = _value(hints[item.name], definitions, _RANGES.get((kind, item.name), {}))
        description = _DESCRIPTIONS.get((kind, item.name)) or attributes.get(item.name)
        properties[item.name] = {"description": description, **schema} if description else schema
    summary = (inspect.getdoc(kind) or "").split("\n", 1)[0]
    return {"type": "object", "description": summary, "required": list(properties), "properties": properties}


def _value(hint: Any, definitions: dict[str, Any], ranges: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an annotation."""
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        inner = next(arg for arg in typing.get_args(hint) if arg is not type(None))
        return _nullable(_value(inner, definitions, ranges))
    if origin is tuple:
        return {"type": "array", "items": _value(typing.get_args(hint)[0], definitions, {}), **ranges}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", **ranges}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _reference(hint, definitions)
    if isinstance(hint, type) and issubclass(hint, Enum):
        definitions.setdefault(
            hint.__name__,
            {
                "type": "string",
                "description": (inspect.getdoc(hint) or "").split("\n", 1)[0],
                "enum": [str(member.value) for member in hint],
            },
        )
        return {"$ref": f"#/$defs/{hint.__name__}"}
    names: dict[Any, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}
    if hint not in names:
        raise TypeError(f"no JSON schema for the annotation {hint!r}")
    return {"type": names[hint], **ranges}


def _reference(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    if kind.__name__ not in definitions:
        definitions[kind.__name__] = {}  # taken first, so that a recursive type ends
        definitions[kind.__name__] = _object(kind, definitions)
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def _attribute_texts(kind: type) -> dict[str, str]:
    """Return the texts of the `Attributes:` section of a Google docstring."""
    section = (inspect.getdoc(kind) or "").partition("Attributes:\n")[2]
    found: dict[str, str] = {}
    for line in section.splitlines():
        start = re.match(r" {4}(\w+): (.+)", line)
        if start:
            found[start[1]] = start[2]
        elif found and line.startswith(" " * 8):
            last = next(reversed(found))
            found[last] = f"{found[last]} {line.strip()}"
    return found

"""The Chinese implicit label (GB 45438-2025, TC260-PG-20258A): one JSON object in eight kinds of carrier.

    {"Label":"1","ContentProducer":"001191110102...","ProduceID":"...","ReservedCode1":"","ContentPropagator":...}

Label 1 = generated, 2 = possibly generated, 3 = suspected. Mandatory in China since 2025-09-01. The key `AIGC` alone is
noise: at least one of the standard's field names must stand in the object.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from detect.provenance.metadata.fields import Field

FIELD_NAMES = (
    "Label",
    "ContentProducer",
    "ProduceID",
    "ReservedCode1",
    "ContentPropagator",
    "PropagateID",
    "ReservedCode2",
)
LABEL_MEANINGS = {"1": "generated", "2": "possibly generated", "3": "suspected"}

KNOWN_PRODUCERS = {"91110102MACQD9K640": "Doubao"}
"""Unified social credit codes seen in public files."""

_USCC_START, _USCC_LENGTH = 4, 18  # ContentProducer = "001" + kind + 18 characters + suffix


@dataclass(frozen=True)
class ImplicitLabel:
    """One label as found; `producer_name` only for codes that are known."""

    label: str
    carrier: str
    values: Mapping[str, str]
    producer_name: str = ""

    @property
    def is_certain(self) -> bool:
        """Whether the label says generated, rather than possibly or suspected."""
        return self.label == "1"


def find_labels(fields: list[Field]) -> list[ImplicitLabel]:
    """Return the labels of a file in the order found, without repeats."""
    found = (_read(field) for field in fields)
    return list({(item.carrier, item.label, tuple(item.values.items())): item for item in found if item}.values())


def _read(field: Field) -> ImplicitLabel | None:
    is_named = field.key.rpartition(":")[2].lower() == "aigc"
    text = field.value
    if field.key.rpartition(":")[2] == "XmpKvBase64":
        text, is_named = _decode(text), True
    if not is_named and "aigc" not in text[:4096].lower():
        return None
    values = _find_object(text, is_named=is_named)
    if values is None:
        return None
    kept = {name: str(values[name]) for name in FIELD_NAMES if name in values and not isinstance(values[name], dict)}
    if not kept:
        return None
    code = kept.get("ContentProducer", "")[_USCC_START : _USCC_START + _USCC_LENGTH]
    return ImplicitLabel(kept.get("Label", ""), field.carrier, kept, KNOWN_PRODUCERS.get(code, ""))


def _decode(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _find_object(text: str, *, is_named: bool) -> Mapping[str, Any] | None:
    """Return the label object inside `{"AIGC":{...}}`, `AIGC{...}`, `AIGC={...}` or, in a field so named, `{...}`."""
    start = text.find("{")
    if start < 0:
        return None
    prefix = text[:start].strip().rstrip("=: ").lower()
    try:
        value, _ = json.JSONDecoder().raw_decode(text[start : start + 100_000])
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    inner = next((item for key, item in value.items() if key.lower() == "aigc"), None)
    if isinstance(inner, str):
        try:
            inner = json.loads(inner)
        except (ValueError, RecursionError):
            inner = None
    if isinstance(inner, dict):
        return inner
    return value if is_named or prefix.endswith("aigc") else None

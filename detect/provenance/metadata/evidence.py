"""Evidence source `provenance.metadata`: every unsigned mark of a file, weighed once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from detect.provenance.metadata.carriers import collect_fields
from detect.provenance.metadata.fields import Fields
from detect.provenance.metadata.generators import find_generator_marks
from detect.provenance.metadata.marks import MAX_UNSIGNED_P, Mark, MarkKind, combined_llr
from detect.provenance.metadata.statements import find_statement_marks
from detect.provenance.settings import ProvenanceSettings
from detect.types import Evidence, Finding, MediaKind, Reason, Status

SOURCE = "provenance.metadata"

_NONE = Reason("no_provenance_marks", "No mark of origin in the metadata. This says nothing about its origin.")
_ORDER = (MarkKind.AI, MarkKind.EDITED_AI, MarkKind.WEAK_AI, MarkKind.CAPTURE_CLAIM, MarkKind.INFO)


def examine_metadata(path: Path, *, kind: MediaKind, format: str, settings: ProvenanceSettings) -> Evidence:
    """Return what unsigned metadata says; absence weighs exactly 0.

    Raises:
        OSError: The path cannot be opened.
    """
    fields = collect_fields(path, kind=kind, format=format, max_scan_bytes=settings.max_scan_bytes)
    return evidence_of(fields)


def evidence_of(fields: Fields) -> Evidence:
    """Return the evidence of fields that were already read."""
    marks = find_marks(fields)
    details: dict[str, Any] = {
        "verdict": verdict_of(marks),
        "marks": [_plain(mark) for mark in marks],
        "unread": list(fields.failed),
    }
    notes = tuple(_unread(name) for name in fields.failed)
    if not marks:
        return Evidence(SOURCE, Status.NOT_APPLICABLE, reasons=(_NONE, *notes), details=details)
    details["levels"] = {"l1": {"unsigned_marks": verdict_words(marks)}, "l2": _summary(marks), "l4": details["marks"]}
    is_edit = all(mark.kind is not MarkKind.AI for mark in marks) and any(
        mark.kind is MarkKind.EDITED_AI for mark in marks
    )
    return Evidence(
        SOURCE,
        Status.SCORED,
        llr=combined_llr(marks),
        p_synthetic_ceiling=MAX_UNSIGNED_P if combined_llr(marks) > 0 else None,
        finding=Finding.MANIPULATED if is_edit else Finding.SYNTHETIC,
        reasons=(*_reasons(marks), *notes),
        details=details,
    )


def find_marks(fields: Fields) -> tuple[Mark, ...]:
    """Return all marks, AI first, without repeats."""
    found = [*find_statement_marks(fields), *find_generator_marks(fields)]
    unique = {(mark.code, mark.kind, mark.carrier, mark.text, mark.tool): mark for mark in found}
    return tuple(sorted(unique.values(), key=lambda mark: _ORDER.index(mark.kind)))


def verdict_of(marks: tuple[Mark, ...]) -> str:
    """Return the strongest kind found: `ai`, `edited_ai`, `weak_ai`, `capture_claim` or `none`."""
    kinds = [mark.kind for mark in marks if mark.kind is not MarkKind.INFO]
    return min(kinds, key=_ORDER.index).value if kinds else "none"


def verdict_words(marks: tuple[Mark, ...]) -> str:
    """Return the strongest kind in words for level 1."""
    return {
        "ai": "unsigned metadata says AI",
        "edited_ai": "unsigned metadata says edited with AI",
        "weak_ai": "unsigned metadata hints at AI",
        "capture_claim": "unsigned metadata names a camera, easily forged",
        "none": "none",
    }[verdict_of(marks)]


def _summary(marks: tuple[Mark, ...]) -> dict[str, Any]:
    tools = list(dict.fromkeys(mark.tool for mark in marks if mark.tool))
    return {"tools_named": tools, "found_in": list(dict.fromkeys(mark.carrier for mark in marks))}


def _reasons(marks: tuple[Mark, ...]) -> list[Reason]:
    """Return one reason a mark; generic codes go first, so that callers need not know every tool."""
    heads = {
        "ai": Reason("unsigned_ai", "Unsigned metadata says AI; it can be forged, but few forge it."),
        "edited_ai": Reason("unsigned_ai_edit", "Unsigned metadata says edited with AI."),
        "weak_ai": Reason("unsigned_ai_hint", "Unsigned metadata hints at AI."),
        "capture_claim": Reason("unsigned_capture", "Unsigned camera metadata, easily forged: counts for nothing."),
    }
    head = heads.get(verdict_of(marks))
    own = [Reason(mark.code, mark.text) for mark in marks]
    return [*([head] if head else []), *dict.fromkeys(own)]


def _plain(mark: Mark) -> dict[str, Any]:
    return {
        "code": mark.code,
        "kind": mark.kind.value,
        "carrier": mark.carrier,
        "tool": mark.tool,
        "text": mark.text,
        "values": dict(mark.values),
    }


def _unread(name: str) -> Reason:
    return Reason("metadata_unreadable", f"The part of the metadata read as {name} is damaged and was not read.")

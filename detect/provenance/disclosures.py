"""The block `Report.disclosures`: which legal marks of machine-made content the file carries.

EU: Regulation (EU) 2024/1689 (AI Act), Article 50(2), machine-readable marking of generated content; applies since
2026-08-02. China: GB 45438-2025, implicit labels in metadata, mandatory since 2025-09-01. The block says which marks
were found; that none was found does not mean that none was owed, nor that the content is not generated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from detect.types import Evidence, Status

_SIGNED_AI_VERDICTS = frozenset(
    {"c2pa_ai_trusted", "c2pa_ai_trusted_interim", "c2pa_ai_valid_untrusted", "c2pa_ai_edited"}
)
_NOTE = "Marks that were found. A missing mark does not show that content is authentic, nor that one was required."


def disclosures(evidence: Sequence[Evidence]) -> dict[str, Any]:
    """Return the disclosures block of a Report from its evidence; always has the same keys.

    `eu_art50.marking` is `signed_metadata`, `watermark`, `unsigned_metadata` or `none_found`, the strongest first.
    """
    return {"eu_art50": _article_50(evidence), "cn_gb45438": _gb45438(evidence), "note": _NOTE}


def _article_50(evidence: Sequence[Evidence]) -> dict[str, Any]:
    found: list[str] = []
    scope = ""
    for item in evidence:
        details: Mapping[str, Any] = item.details
        if item.source == "provenance.c2pa" and details.get("verdict") in _SIGNED_AI_VERDICTS:
            found.append("signed_metadata")
            scope = scope or ("generated" if details.get("is_ai_generated") else "modified")
        elif item.source.startswith("watermark.") and item.status is Status.SCORED and item.llr > 0:
            found.append("watermark")
            scope = scope or "generated"
        elif item.source == "provenance.metadata" and details.get("verdict") in ("ai", "edited_ai"):
            found.append("unsigned_metadata")
            scope = scope or ("generated" if details["verdict"] == "ai" else "modified")
    order = ("signed_metadata", "watermark", "unsigned_metadata")
    marking = next((kind for kind in order if kind in found), "none_found")
    return {"marking": marking, "all": [kind for kind in order if kind in found], "scope": scope or "none_found"}


def _gb45438(evidence: Sequence[Evidence]) -> dict[str, Any]:
    metadata = next((item.details for item in evidence if item.source == "provenance.metadata"), {})
    labels = [mark for mark in metadata.get("marks", ()) if mark["code"] == "gb45438_label"]
    if not labels:
        return {"label": "none_found", "carriers": [], "fields": {}}
    values = dict(labels[0]["values"])
    meaning = values.pop("label_meaning", "")
    return {"label": meaning, "carriers": list(dict.fromkeys(mark["carrier"] for mark in labels)), "fields": values}

"""Marks that nobody outside their owners can read offline: said openly, so that silence is not taken for absence."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

from detect.provenance.store import parse_time
from detect.types import Evidence, MediaKind


@dataclass(frozen=True)
class UncheckableMark:
    """One scheme: who stamps it, on what, and how to ask its owner."""

    name: str
    owner: str
    kinds: frozenset[MediaKind]
    how_to_ask: str


_VISUAL = frozenset({MediaKind.IMAGE, MediaKind.VIDEO})
_ALL = frozenset({MediaKind.IMAGE, MediaKind.VIDEO, MediaKind.AUDIO})

_MARKS = (
    UncheckableMark("SynthID", "Google; OpenAI pictures and audio since 2026", _ALL, "the owner's own verification"),
    UncheckableMark("Content Seal", "Meta", _ALL, "no public check"),
    UncheckableMark("Titan and Nova mark", "Amazon", _VISUAL, "Amazon Bedrock's detection call"),
    UncheckableMark("Digimarc Validate", "Digimarc", _ALL, "Digimarc's own software"),
    UncheckableMark("InvisMark", "Microsoft", frozenset({MediaKind.IMAGE}), "no public check"),
    UncheckableMark(
        "Stable Signature, Tree-Ring and other research marks", "various", _VISUAL, "needs the maker's key"
    ),
)

_SYNTHID_SINCE = {
    re.compile(r"google|gemini|imagen"): dt.datetime(2023, 8, 29, tzinfo=dt.UTC),
    re.compile(r"openai|chatgpt|dall.?e"): dt.datetime(2026, 5, 19, tzinfo=dt.UTC),
}
"""Who stamps SynthID and since when (the owners' announcements)."""


def list_uncheckable(kind: MediaKind) -> tuple[UncheckableMark, ...]:
    """Return the marks that could be in media of this kind and cannot be read here."""
    return tuple(mark for mark in _MARKS if kind in mark.kinds)


def likely_marks(evidence: Sequence[Evidence]) -> tuple[str, ...]:
    """Return names of marks that are probably also there, inferred from signed credentials only.

    A signed AI claim of Google, or of OpenAI since it stamps SynthID, makes that mark probable; an unsigned mark is no
    ground for it, and neither is a claim without a trusted time.
    """
    for item in evidence:
        if item.source != "provenance.c2pa" or not item.details.get("is_ai_generated") or item.llr <= 0:
            continue
        summary = item.details.get("levels", {}).get("l2", {})
        words = f"{summary.get('signed_by', '')} {summary.get('tool', '')}".lower()
        signed_at = parse_time(str(summary.get("signed_at", "")))
        if signed_at and any(name.search(words) and signed_at >= since for name, since in _SYNTHID_SINCE.items()):
            return ("SynthID",)
    return ()

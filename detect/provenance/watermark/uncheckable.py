"""Marks that nobody outside their owners can read offline: said openly, so that silence is not taken for absence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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

_LIKELY_SYNTHID = ("google", "gemini", "imagen", "openai", "chatgpt", "dall")


def list_uncheckable(kind: MediaKind) -> tuple[UncheckableMark, ...]:
    """Return the marks that could be in media of this kind and cannot be read here."""
    return tuple(mark for mark in _MARKS if kind in mark.kinds)


def likely_marks(evidence: Sequence[Evidence]) -> tuple[str, ...]:
    """Return names of marks that are probably also there, inferred from signed credentials only.

    A signed AI claim of Google or OpenAI makes SynthID probable; an unsigned mark is no ground for it.
    """
    for item in evidence:
        if item.source == "provenance.c2pa" and item.details.get("is_ai_generated") and item.llr > 0:
            summary = item.details.get("levels", {}).get("l2", {})
            words = f"{summary.get('signed_by', '')} {summary.get('tool', '')}".lower()
            if any(name in words for name in _LIKELY_SYNTHID):
                return ("SynthID",)
    return ()

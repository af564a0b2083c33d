"""A mark: one unsigned statement about origin, what kind it is, and what it weighs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class MarkKind(StrEnum):
    """What a mark says."""

    AI = "ai"
    EDITED_AI = "edited_ai"
    WEAK_AI = "weak_ai"
    CAPTURE_CLAIM = "capture_claim"
    INFO = "info"


class MarkStrength(StrEnum):
    """How much a mark of kind AI weighs."""

    PLAIN = "plain"
    POSSIBLE = "possible"
    WEAK = "weak"


LLR_BY_STRENGTH = {MarkStrength.PLAIN: 3.0, MarkStrength.POSSIBLE: 2.0, MarkStrength.WEAK: 1.0}
"""Scoring policy: +3 unsigned AI, +2 GB 45438 labels 2 and 3, +1 weak; few people forge "I am AI"."""

EDITED_LLR = 0.405465
"""log(0.6 / 0.4): no more than what a signed statement of AI editing weighs."""

MAX_UNSIGNED_P = 0.97
"""However many unsigned marks agree, they never raise P(synthetic) beyond this; signed claims may."""


@dataclass(frozen=True)
class Mark:
    """One statement.

    Attributes:
        code: Stable reason code, for example `iptc_source_type` or `generation_parameters`.
        kind: What it says.
        carrier: Where it stood.
        text: One sentence for people, cleaned.
        tool: The generator named, cleaned, or empty.
        strength: Weight class, for kinds `ai` and `weak_ai`.
        values: Further facts, cleaned.
    """

    code: str
    kind: MarkKind
    carrier: str
    text: str
    tool: str = ""
    strength: MarkStrength = MarkStrength.PLAIN
    values: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def llr(self) -> float:
        """The weight of this mark alone; camera claims and facts weigh 0, because anyone can write them."""
        if self.kind is MarkKind.EDITED_AI:
            return EDITED_LLR
        if self.kind in (MarkKind.AI, MarkKind.WEAK_AI):
            return LLR_BY_STRENGTH[self.strength]
        return 0.0


def combined_llr(marks: tuple[Mark, ...]) -> float:
    """Return the weight of all marks together: the strongest counts, for they are copies of one statement."""
    return max((mark.llr for mark in marks), default=0.0)

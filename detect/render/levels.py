"""Provenance in the four levels of the C2PA user-experience guidance, as lines of label and value.

`Evidence.details["levels"]` holds `l1` (is there a credential, and its label), `l2` (signer, date, tool, actions),
`l3` (the whole tree) and `l4` (codes and certificates). The readers decide what stands in each; what stands here
only lays it out, and stays readable when a reader adds a field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from detect.text import clean_text, clean_tree
from detect.types import Evidence, Status

LEVEL_TITLES = {
    "l1": "At a glance",
    "l2": "Who signed, when, and what was done",
    "l3": "The whole history",
    "l4": "Codes and certificates",
}


@dataclass(frozen=True)
class Level:
    """One level: its key, its title, and its content, cleaned for display (mapping, list or text)."""

    key: str
    title: str
    content: Any


def read_levels(evidence: Evidence) -> tuple[Level, ...]:
    """Return the levels that the evidence carries, in order; empty when it carries none, or only that nothing is there.

    That nothing was found, or not read, is the evidence's reason; a level would say it again.
    """
    if evidence.status is not Status.SCORED:
        return ()
    levels = evidence.details.get("levels")
    if not isinstance(levels, Mapping):
        return ()
    found = [(key, title, levels.get(key)) for key, title in LEVEL_TITLES.items()]
    return tuple(Level(key, title, clean_tree(content)) for key, title, content in found if content)


def flat_lines(content: Any, *, prefix: str = "") -> list[tuple[str, str]]:
    """Return nested content as (label, value) lines for a terminal.

    Example:
        >>> flat_lines({"signed_by": "A", "actions": ["opened", "resized"]})
        [('Signed by', 'A'), ('Actions', 'opened; resized')]
    """
    if isinstance(content, Mapping):
        lines: list[tuple[str, str]] = []
        for key, value in content.items():
            name = label(key) if not prefix else f"{prefix}, {label(key).lower()}"
            lines += flat_lines(value, prefix=name)
        return lines
    if isinstance(content, list | tuple):
        if any(isinstance(item, Mapping | list | tuple) for item in content):
            return [line for item in content for line in flat_lines(item, prefix=prefix)]
        return [(prefix, "; ".join(value_text(item) for item in content))] if content else []
    return [] if content is None or content == "" else [(prefix, value_text(content))]


def label(key: object) -> str:
    """Return a key such as `signed_by` as a label, `Signed by`."""
    text = clean_text(key, max_characters=60).replace("_", " ")
    return text[:1].upper() + text[1:]


def value_text(value: object) -> str:
    """Return a single value for people: yes and no for booleans, short numbers, clean text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else clean_text(value)

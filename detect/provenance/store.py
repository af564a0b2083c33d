"""A manifest store as plain facts: every manifest, action and ingredient of a file.

Why not the state alone: a file stays "Trusted" when its parent was tampered with before it was opened, when the AI
content sits in an ingredient's manifest, or when only the last editor is trusted. So every manifest is walked.
`detect.provenance.crjson` reads a store.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from detect.provenance.codes import Bucket, bucket_of

_INDEXED_LABEL = re.compile(r"__\d+$")
_VERSIONED_LABEL = re.compile(r"\.v\d+$")


@dataclass(frozen=True)
class Name:
    """The parts of a distinguished name that people read."""

    common_name: str = ""
    organisation: str = ""
    unit: str = ""
    country: str = ""


@dataclass(frozen=True)
class Certificate:
    """The signing certificate as crJSON reports it; `serial` in lower-case hexadecimal."""

    subject: Name = field(default_factory=Name)
    issuer: Name = field(default_factory=Name)
    serial: str = ""
    valid_from: str = ""
    valid_to: str = ""


@dataclass(frozen=True)
class Action:
    """One action; `source_type` in the vocabulary's spelling, `is_gathered` when the signer did not vouch for it."""

    name: str
    source_type: str | None = None
    agent: str = ""
    when: str = ""
    description: str = ""
    is_gathered: bool = False


@dataclass(frozen=True)
class Ingredient:
    """A file that went into this one; `failures` are the codes that its signer stored when it was added."""

    title: str
    relationship: str
    manifest_label: str | None = None
    media_type: str = ""
    source_type: str | None = None
    failures: tuple[str, ...] = ()
    was_trusted: bool = False

    @property
    def integrity_failures(self) -> tuple[str, ...]:
        """Codes that speak of broken content; trust codes were frozen with anchors that are not ours."""
        return tuple(code for code in self.failures if bucket_of(code) in (Bucket.NOT_VALID, Bucket.NOT_WELL_FORMED))


@dataclass(frozen=True)
class Manifest:
    """One signed manifest of the store.

    `success`, `informational` and `failure` are this reader's codes for it; `assertions` the raw assertion data by
    label; `anchor_set` names the anchors that vouched for the signer (`system_anchors`, `user_anchors`), if told.
    """

    label: str
    title: str = ""
    generator: str = ""
    certificate: Certificate = field(default_factory=Certificate)
    algorithm: str = ""
    signed_at: str = ""
    claim_version: int = 2
    actions: tuple[Action, ...] = ()
    are_actions_complete: bool = False
    ingredients: tuple[Ingredient, ...] = ()
    success: frozenset[str] = frozenset()
    informational: frozenset[str] = frozenset()
    failure: frozenset[str] = frozenset()
    anchor_set: str = ""
    redacted: tuple[str, ...] = ()
    assertions: Mapping[str, Any] = field(default_factory=dict)
    gathered_urls: tuple[str, ...] = ()

    def assertion(self, base_label: str) -> list[Mapping[str, Any]]:
        """Return the data of all assertions of that label, whatever their version or index."""
        return [data for label, data in self.assertions.items() if base_of(label) == base_label]

    @property
    def signed_time(self) -> dt.datetime | None:
        """The trusted time stamp, or None when there is none or it does not parse."""
        return parse_time(self.signed_at)


@dataclass(frozen=True)
class Store:
    """All manifests of a file; the first is the active one."""

    manifests: tuple[Manifest, ...]
    state: str

    @property
    def active(self) -> Manifest:
        """The manifest that describes the file as it is."""
        return self.manifests[0]

    def find(self, label: str | None) -> Manifest | None:
        """Return the manifest of that label, or None."""
        return next((item for item in self.manifests if item.label == label), None)

    def lineage(self) -> tuple[Manifest, ...]:
        """Return the active manifest and its parents, newest first (the main line, `parentOf` only)."""
        line: list[Manifest] = []
        current: Manifest | None = self.active
        while current is not None and current not in line:
            line.append(current)
            parents = [item for item in current.ingredients if item.relationship == "parentOf"]
            current = next((found for found in (self.find(item.manifest_label) for item in parents) if found), None)
        return tuple(line)

    def side_branches(self, relationship: str) -> tuple[Manifest, ...]:
        """Return manifests reached from the main line through at least one ingredient of that relationship."""
        line = self.lineage()
        seen: dict[str, Manifest] = {}
        waiting = [item.manifest_label for one in line for item in one.ingredients if item.relationship == relationship]
        while waiting:
            found = self.find(waiting.pop())
            if found is None or found.label in seen or found in line:
                continue
            seen[found.label] = found
            waiting += [item.manifest_label for item in found.ingredients if item.relationship != "inputTo"]
        return tuple(seen.values())

    def loose_ingredients(self) -> Iterator[tuple[Manifest, Ingredient]]:
        """Yield ingredients of the main line that have no manifest of their own in the store."""
        for manifest in self.lineage():
            for item in manifest.ingredients:
                if self.find(item.manifest_label) is None:
                    yield manifest, item


def parse_time(text: str) -> dt.datetime | None:
    """Return an ISO 8601 time with a zone (UTC when none is written), or None."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def base_of(label: str) -> str:
    """Return an assertion label without its index and version: `c2pa.actions.v2__1` is `c2pa.actions`."""
    return _VERSIONED_LABEL.sub("", _INDEXED_LABEL.sub("", label))

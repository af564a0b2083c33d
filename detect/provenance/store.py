"""A manifest store as plain facts: every manifest, action and ingredient, read from crJSON.

Why not the state alone: a file stays "Trusted" when its parent was tampered with before it was opened, when the AI
content sits in an ingredient's manifest, or when only the last editor is trusted. So every manifest is walked.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from detect.provenance import sourcetypes
from detect.provenance.codes import Bucket, bucket_of

MAX_MANIFESTS = 200
MAX_ACTIONS = 500
"""Caps per store and per manifest; the longest public chain has 17 manifests."""

_INDEXED_LABEL = re.compile(r"__\d+$")
_ANCHOR_SET = re.compile(r"found in \[(system_anchors|user_anchors)\]")
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
        return [data for label, data in self.assertions.items() if _base(label) == base_label]

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


def read_store(crjson: Mapping[str, Any], state: str) -> Store | None:
    """Return the store held by crJSON, or None when it lists no manifest."""
    found = [one for one in _list(crjson.get("manifests")) if isinstance(one, Mapping)][:MAX_MANIFESTS]
    return Store(tuple(_read_manifest(one) for one in found), state) if found else None


def parse_time(text: str) -> dt.datetime | None:
    """Return an ISO 8601 time with a zone (UTC when none is written), or None."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def _read_manifest(one: Mapping[str, Any]) -> Manifest:
    is_v2 = isinstance(one.get("claim.v2"), Mapping)
    claim = _dict(one.get("claim.v2") if is_v2 else one.get("claim"))
    assertions = _dict(one.get("assertions"))
    signature = _dict(one.get("signature"))
    results = _dict(one.get("validationResults"))
    gathered = tuple(_text(_dict(item).get("url")) for item in _list(claim.get("gathered_assertions")))
    return Manifest(
        label=_text(one.get("label")),
        title=_text(claim.get("dc:title")),
        generator=_generator(claim),
        certificate=_certificate(_dict(signature.get("certificateInfo"))),
        algorithm=_text(signature.get("algorithm")),
        signed_at=_text(_dict(signature.get("timeStampInfo")).get("timestamp")),
        claim_version=2 if is_v2 else 1,
        actions=tuple(_actions(assertions, gathered))[:MAX_ACTIONS],
        are_actions_complete=any(
            _dict(data).get("allActionsIncluded") is True
            for label, data in assertions.items()
            if _base(label) == "c2pa.actions"
        ),
        ingredients=tuple(
            _ingredient(_dict(data), assertions)
            for label, data in assertions.items()
            if _base(label) == "c2pa.ingredient"
        ),
        success=_codes(results.get("success")),
        informational=_codes(results.get("informational")),
        failure=_codes(results.get("failure")),
        anchor_set=_anchor_set(results.get("success")),
        redacted=tuple(_text(item) for item in _list(claim.get("redacted_assertions"))),
        assertions=assertions,
        gathered_urls=gathered,
    )


def _actions(assertions: Mapping[str, Any], gathered: tuple[str, ...]) -> Iterator[Action]:
    for label, data in assertions.items():
        if _base(label) != "c2pa.actions":
            continue
        is_gathered = any(url.endswith("/" + label) for url in gathered)
        for item in _list(_dict(data).get("actions")):
            action = _dict(item)
            yield Action(
                name=_text(action.get("action")),
                source_type=sourcetypes.normalise(action.get("digitalSourceType")),
                agent=_agent(action.get("softwareAgent")),
                when=_text(action.get("when")),
                description=_text(action.get("description")),
                is_gathered=is_gathered,
            )


def _ingredient(data: Mapping[str, Any], assertions: Mapping[str, Any]) -> Ingredient:
    reference = _dict(data.get("activeManifest") or data.get("c2pa_manifest"))
    results = _dict(_dict(data.get("validationResults")).get("activeManifest"))
    failures = _codes(results.get("failure")) | {
        _text(_dict(item).get("code")) for item in _list(data.get("validationStatus")) if _is_failure(_dict(item))
    }
    return Ingredient(
        title=_text(data.get("dc:title")),
        relationship=_text(data.get("relationship")),
        manifest_label=_label_of(_text(reference.get("url"))),
        media_type=_text(data.get("dc:format")),
        source_type=sourcetypes.normalise(data.get("digitalSourceType")),
        failures=tuple(sorted(failures)),
        was_trusted="signingCredential.trusted" in _codes(results.get("success")),
    )


def _is_failure(status: Mapping[str, Any]) -> bool:
    """Say whether an old-style validation status speaks of a failure; old tools list successes too."""
    if status.get("success") is not None:
        return not status["success"]
    code = _text(status.get("code"))
    return code.endswith((".mismatch", ".missing", ".malformed", ".invalid", ".untrusted", ".revoked", ".expired"))


def _certificate(info: Mapping[str, Any]) -> Certificate:
    validity = _dict(info.get("validity"))
    return Certificate(
        subject=_name(_dict(info.get("subject"))),
        issuer=_name(_dict(info.get("issuer"))),
        serial=_text(info.get("serialNumber")).lower().lstrip("0"),
        valid_from=_text(validity.get("notBefore")),
        valid_to=_text(validity.get("notAfter")),
    )


def _name(parts: Mapping[str, Any]) -> Name:
    return Name(_text(parts.get("CN")), _text(parts.get("O")), _text(parts.get("OU")), _text(parts.get("C")))


def _generator(claim: Mapping[str, Any]) -> str:
    """Return what the claim says made it: the old string first, it is the one that AI tables know."""
    info = claim.get("claim_generator_info")
    entries = [_dict(item) for item in (info if isinstance(info, list) else [info])]
    names = [" ".join(filter(None, (_text(item.get("name")), _text(item.get("version"))))) for item in entries]
    return "; ".join(dict.fromkeys(filter(None, (_text(claim.get("claim_generator")), *names))))


def _agent(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(filter(None, (_text(value.get("name")), _text(value.get("version")))))
    return _text(value)


def _label_of(url: str) -> str | None:
    """Return the manifest label inside a JUMBF address such as `self#jumbf=/c2pa/urn:c2pa:.../c2pa.signature`."""
    _, found, rest = url.partition("/c2pa/")
    return rest.split("/")[0] if found and rest else None


def _base(label: str) -> str:
    """Return an assertion label without its index and version: `c2pa.actions.v2__1` is `c2pa.actions`."""
    return _VERSIONED_LABEL.sub("", _INDEXED_LABEL.sub("", label))


def _codes(statuses: object) -> frozenset[str]:
    return frozenset(_text(_dict(item).get("code")) for item in _list(statuses)) - {""}


def _anchor_set(statuses: object) -> str:
    """Return the anchor set that the library's explanation names; empty when the wording is not the known one."""
    for item in _list(statuses):
        if _text(_dict(item).get("code")) == "signingCredential.trusted":
            match = _ANCHOR_SET.search(_text(_dict(item).get("explanation")))
            return match[1] if match else ""
    return ""


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""

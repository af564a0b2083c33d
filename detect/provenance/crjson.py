"""Reads a manifest store out of crJSON, the form in which the C2PA library reports what a file carries.

Whatever is not of the expected type is read as absent: the JSON holds strings of the file, and nobody vouches for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from detect.provenance import sourcetypes
from detect.provenance.store import Action, Certificate, Ingredient, Manifest, Name, Store, base_of

MAX_MANIFESTS = 200
MAX_ACTIONS = 500
"""Caps per store and per manifest; the longest public chain has 17 manifests."""

_ANCHOR_SET = re.compile(r"found in \[(system_anchors|user_anchors)\]")


def read_store(crjson: Mapping[str, Any], state: str) -> Store | None:
    """Return the store held by crJSON, or None when it lists no manifest."""
    found = [one for one in _list(crjson.get("manifests")) if isinstance(one, Mapping)][:MAX_MANIFESTS]
    return Store(tuple(_read_manifest(one) for one in found), state) if found else None


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
            if base_of(label) == "c2pa.actions"
        ),
        ingredients=tuple(
            _ingredient(_dict(data), assertions)
            for label, data in assertions.items()
            if base_of(label) == "c2pa.ingredient"
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
        if base_of(label) != "c2pa.actions":
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

"""The four levels of the C2PA user-experience guidance as JSON-ready facts; renderers lay them out.

L1: is there a credential, and its label. L2: who signed, when, with what, and what was done. L3: the whole tree.
L4: codes and certificates. Every string from the file is cleaned here.
"""

from __future__ import annotations

from typing import Any

from detect.provenance import signals
from detect.provenance.codes import sort_failures
from detect.provenance.policy import C2paVerdict, Judgement
from detect.provenance.reader import Reading
from detect.provenance.store import Ingredient, Manifest, Store
from detect.provenance.text import clean
from detect.provenance.trust import TrustLevel
from detect.provenance.words import level_words, signer_name

_MAX_DEPTH = 12
_MAX_ACTIONS_SHOWN = 40

_LABELS = {
    C2paVerdict.AI_TRUSTED: "AI-generated",
    C2paVerdict.AI_TRUSTED_INTERIM: "AI-generated",
    C2paVerdict.AI_VALID_UNTRUSTED: "AI-generated",
    C2paVerdict.AI_EDITED: "AI-edited",
    C2paVerdict.CAPTURE_TRUSTED: "Camera-captured",
}
_STATUS = {
    C2paVerdict.INVALID: "invalid",
    C2paVerdict.MALFORMED: "incomplete",
    C2paVerdict.REVOKED: "certificate revoked",
    C2paVerdict.EXPIRED: "certificate expired",
    C2paVerdict.DISTRUSTED_SIGNER: "signer distrusted",
    C2paVerdict.DISALLOWED_CLAIM: "claim not allowed",
}
DISREGARDED = frozenset({C2paVerdict.INVALID, C2paVerdict.MALFORMED})


def build_levels(reading: Reading, judgement: Judgement) -> dict[str, Any]:
    """Return `{"l1": ..., "l2": ..., "l3": ..., "l4": ...}` of a store that was read."""
    store = reading.store
    if store is None:
        raise ValueError("levels need a manifest store")
    levels = {
        "l1": _glance(judgement),
        "l2": _summary(reading, store, judgement),
        "l3": _tree(store, store.active, reading.trust, depth=0, seen=frozenset()),
        "l4": _forensic(reading, store),
    }
    if judgement.verdict in DISREGARDED:
        del levels["l3"]  # claims of a broken manifest are not shown as facts; the codes stay for experts
    return levels


def absent_levels(status: str) -> dict[str, Any]:
    """Return the levels of a file whose manifest was not found or not read: neutral, only L1."""
    return {"l1": {"content_credentials": status}}


def _glance(judgement: Judgement) -> dict[str, Any]:
    status = _STATUS.get(judgement.verdict)
    if status is None:
        status = "present" if judgement.level is not TrustLevel.NONE else "present, signer not recognised"
    return {"content_credentials": status, "label": _LABELS.get(judgement.verdict, "")}


def _summary(reading: Reading, store: Store, judgement: Judgement) -> dict[str, Any]:
    active = store.active
    summary: dict[str, Any] = {"signed_by": signer_name(active)}
    if judgement.verdict in DISREGARDED:
        return summary | {"note": "Available data should be disregarded."}
    summary |= {
        "issuer": clean(active.certificate.issuer.organisation or active.certificate.issuer.common_name),
        "signer_is": level_words(reading.trust.get(active.label, TrustLevel.NONE)),
        "signed_at": clean(active.signed_at) or "no trusted time",
        "tool": clean(active.generator),
        "title": clean(active.title),
        "actions": [_action_words(item.name, item.source_type, item.agent) for item in active.actions][
            :_MAX_ACTIONS_SHOWN
        ],
        "ingredients": [
            f"{clean(item.title) or 'unnamed'} ({clean(item.relationship)})" for item in active.ingredients
        ][:_MAX_ACTIONS_SHOWN],
    }
    if judgement.product is not None:
        product = judgement.product
        summary["conforming_product"] = f"{clean(product.name)}, assurance level {product.assurance_level}"
    if "ambiguousActions" in signals.evaluate(active):
        summary["note"] = "Some edits or activity may not have been recorded."
    return summary


def _tree(
    store: Store, manifest: Manifest, trust: dict[str, TrustLevel], *, depth: int, seen: frozenset[str]
) -> dict[str, Any]:
    node: dict[str, Any] = {
        "title": clean(manifest.title),
        "signed_by": signer_name(manifest),
        "trust": trust.get(manifest.label, TrustLevel.NONE).value,
        "signed_at": clean(manifest.signed_at),
        "tool": clean(manifest.generator),
        "signals": sorted(signals.evaluate(manifest)),
        "actions": [
            {
                "action": clean(item.name),
                "source_type": item.source_type or "",
                "agent": clean(item.agent),
                "when": clean(item.when),
                "description": clean(item.description),
            }
            for item in manifest.actions[:_MAX_ACTIONS_SHOWN]
        ],
    }
    if depth < _MAX_DEPTH:
        inside = seen | {manifest.label}
        node["ingredients"] = [
            _ingredient(store, item, trust, depth=depth, seen=inside) for item in manifest.ingredients
        ]
    return node


def _ingredient(
    store: Store, item: Ingredient, trust: dict[str, TrustLevel], *, depth: int, seen: frozenset[str]
) -> dict[str, Any]:
    found = store.find(item.manifest_label)
    facts: dict[str, Any] = {
        "title": clean(item.title),
        "relationship": clean(item.relationship),
        "media_type": clean(item.media_type),
        "source_type": item.source_type or "",
        "has_credentials": found is not None,
        "failures": [clean(code) for code in item.integrity_failures],
    }
    if found is not None and found.label not in seen:
        facts["manifest"] = _tree(store, found, trust, depth=depth + 1, seen=seen)
    return facts


def _forensic(reading: Reading, store: Store) -> dict[str, Any]:
    return {
        "state": store.state,
        "is_embedded": reading.is_embedded,
        "remote_url": clean(reading.remote_url),
        "rubric": signals.RUBRIC,
        "manifests": [_manifest_facts(one, reading.trust) for one in store.manifests],
    }


def _manifest_facts(one: Manifest, trust: dict[str, TrustLevel]) -> dict[str, Any]:
    certificate = one.certificate
    return {
        "label": clean(one.label),
        "claim_version": one.claim_version,
        "algorithm": clean(one.algorithm),
        "trust": trust.get(one.label, TrustLevel.NONE).value,
        "subject": _name_facts(certificate.subject),
        "issuer": _name_facts(certificate.issuer),
        "serial": clean(certificate.serial),
        "valid_from": clean(certificate.valid_from),
        "valid_to": clean(certificate.valid_to),
        "failures": sort_failures(clean(code) for code in one.failure),
        "failure_codes": sorted(clean(code) for code in one.failure),
        "success_codes": sorted(clean(code) for code in one.success),
        "informational_codes": sorted(clean(code) for code in one.informational),
        "assertions": sorted(clean(label) for label in one.assertions),
        "redacted": [clean(item) for item in one.redacted],
    }


def _name_facts(name: Any) -> dict[str, str]:
    parts = {"CN": name.common_name, "O": name.organisation, "OU": name.unit, "C": name.country}
    return {key: clean(value) for key, value in parts.items() if value}


def _action_words(name: str, source_type: str | None, agent: str) -> str:
    text = clean(name.removeprefix("c2pa.")) or "unnamed"
    if source_type:
        text += f" [{source_type}]"
    return f"{text} with {clean(agent)}" if agent else text

"""Evidence source `provenance.c2pa`: the Content Credentials of a file, judged by the policy."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from detect.provenance import extras
from detect.provenance.claims import Claims
from detect.provenance.levels import DISREGARDED, absent_levels, build_levels
from detect.provenance.policy import Judgement, judge
from detect.provenance.reader import Reading, ReadOutcome, read_manifests
from detect.provenance.settings import ProvenanceSettings
from detect.provenance.store import Store
from detect.provenance.text import clean
from detect.provenance.trust import ListState, TrustStore, load_trust
from detect.provenance.words import note_reason, verdict_reason
from detect.types import Evidence, Finding, Reason, Status

_log = logging.getLogger(__name__)

SOURCE = "provenance.c2pa"

_ABSENCE = Reason("no_c2pa_manifest", "No Content Credentials in this file. This says nothing about its origin.")


def examine_credentials(path: Path, *, format: str, settings: ProvenanceSettings) -> Evidence:
    """Return what the Content Credentials of the file say; never raises for what the file holds.

    Absence is `not_applicable` and weighs exactly 0; a manifest stored online is `unavailable` and named, never
    fetched unless the settings ask for it.
    """
    trust = load_trust(settings.resolved_trust_dir())
    reading = read_manifests(path, format=format, trust=trust, settings=settings)
    if reading.store is not None and format.lower() == "c2pa":
        return _sidecar_alone()
    if reading.store is not None:
        return _judged(reading, reading.store, trust, settings)
    if reading.outcome is ReadOutcome.REMOTE_ONLY:
        return _remote(reading)
    if reading.outcome is ReadOutcome.ABSENT or not has_marker(path, settings.max_scan_bytes):
        return _absent(reading)
    return _unread(reading)


def has_marker(path: Path, max_bytes: int) -> bool:
    """Say whether the raw bytes hold a C2PA box: a JUMBF box type and the `c2pa` label near each other.

    The bare word `c2pa` is not enough: it occurs by chance in compressed data.
    """
    with path.open("rb") as stream:
        data = stream.read(max_bytes)
    start = data.find(b"jumb")
    while start >= 0:
        if b"c2pa" in data[start : start + 128]:
            return True
        start = data.find(b"jumb", start + 4)
    return False


def _judged(reading: Reading, store: Store, trust: TrustStore, settings: ProvenanceSettings) -> Evidence:
    judgement = judge(reading, trust)
    list_notes = _list_notes(trust, settings)
    reasons = (
        verdict_reason(judgement, store),
        *(note_reason(code, judgement) for code in judgement.notes),
        *(note_reason(code) for code in list_notes),
    )
    return Evidence(
        source=SOURCE,
        status=Status.SCORED,
        llr=judgement.weight.llr,
        finding=Finding.MANIPULATED if judgement.is_manipulated else Finding.SYNTHETIC,
        p_synthetic_floor=judgement.weight.floor,
        reasons=reasons,
        details=_details(reading, store, judgement),
    )


def _details(reading: Reading, store: Store, judgement: Judgement) -> dict[str, Any]:
    is_void = judgement.verdict in DISREGARDED
    claims = Claims() if is_void else judgement.claims
    origin = claims.captured_by or store.active
    return {
        "verdict": judgement.verdict.value,
        "state": store.state.lower(),
        "trust_list": judgement.level.value,
        "manifests": len(store.manifests),
        "is_ai_generated": claims.generated_by is not None,
        "is_ai_edited": claims.generated_by is None and bool(claims.generated_parts),
        "ai_parts": list(claims.generated_parts),
        "is_capture_claim": claims.captured_by is not None,
        "capture": {
            "organisation": clean(origin.certificate.subject.organisation),
            "signed_at": clean(origin.signed_at),
            "times": [clean(item.when) for item in origin.actions if item.when],
        }
        if claims.captured_by is not None
        else {},
        "soft_bindings": extras.soft_bindings(store),
        "training": {} if is_void else extras.training_wishes(store),
        "has_identity": extras.has_identity(store),
        "signed_camera": {} if is_void else extras.signed_camera(store),
        "remote_url": clean(reading.remote_url),
        "levels": build_levels(reading, judgement),
    }


def _list_notes(trust: TrustStore, settings: ProvenanceSettings) -> tuple[str, ...]:
    if not trust.levels():
        return ("trust_list_missing",)
    official = next(item for item in trust.status(settings.current_time()) if item.name == "official")
    return ("trust_list_stale",) if official.state is ListState.STALE else ()


def _absent(reading: Reading) -> Evidence:
    if reading.outcome is ReadOutcome.UNREADABLE:
        text = f"The container cannot be searched for Content Credentials: {clean(reading.error)}"
        reason = Reason("c2pa_container_unreadable", text)
        details = {"verdict": "none", "state": "unreadable", "levels": absent_levels("could not be read")}
        return Evidence(SOURCE, Status.FAILED, reasons=(reason,), details=details)
    details = {"verdict": "none", "state": "absent", "levels": absent_levels("none found")}
    return Evidence(SOURCE, Status.NOT_APPLICABLE, reasons=(_ABSENCE,), details=details)


def _unread(reading: Reading) -> Evidence:
    """A manifest is there by its bytes, but the library does not read it."""
    if reading.outcome is ReadOutcome.UNSUPPORTED:
        text = "Bytes of a C2PA manifest are present in a format that cannot be validated here."
        levels = absent_levels("present, not readable here")
        reason = Reason("c2pa_marker_only", text)
        details = {"verdict": "c2pa_marker_only", "state": "unreadable", "levels": levels}
        return Evidence(SOURCE, Status.UNAVAILABLE, reasons=(reason,), details=details)
    reason = Reason("c2pa_unreadable", f"Content Credentials are present but cannot be read: {clean(reading.error)}")
    details = {"verdict": "c2pa_unreadable", "state": "unreadable", "levels": absent_levels("present, cannot be read")}
    return Evidence(SOURCE, Status.FAILED, reasons=(reason,), details=details)


def _sidecar_alone() -> Evidence:
    """A sidecar without its media fails every hash: that is no tampering, there is just nothing to compare with."""
    reason = Reason(
        "c2pa_sidecar_alone", "This is a credential without the file that it describes; nothing to compare."
    )
    levels = absent_levels("a sidecar without its file")
    details = {"verdict": "c2pa_sidecar_alone", "state": "sidecar", "levels": levels}
    return Evidence(SOURCE, Status.UNAVAILABLE, reasons=(reason,), details=details)


def _remote(reading: Reading) -> Evidence:
    address = clean(reading.remote_url)
    text = f"The credential is stored online and was not fetched: {address or 'no address'}"
    reason = Reason("c2pa_remote_only", text)
    details = {
        "verdict": "c2pa_remote_only",
        "state": "remote_only",
        "remote_url": address,
        "levels": absent_levels("stored online, not fetched"),
    }
    return Evidence(SOURCE, Status.UNAVAILABLE, reasons=(reason,), details=details)

"""Contradictions between signed credentials and unsigned metadata: named for people, never averaged away."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import Any

from detect.provenance.store import parse_time
from detect.types import Evidence, Reason

_EXIF_TIME = re.compile(r"^(\d{4}):(\d\d):(\d\d)[ T](\d\d):(\d\d):(\d\d)")
_MAX_TIME_GAP = dt.timedelta(hours=26)
"""EXIF times carry no zone, and zones span 26 hours."""

_COMPANY_WORDS = frozenset(
    {"inc", "llc", "ltd", "co", "corp", "corporation", "gmbh", "ag", "kk", "company", "limited", "the", "group"}
)
_SIGNED_AI = frozenset({"c2pa_ai_trusted", "c2pa_ai_trusted_interim", "c2pa_ai_valid_untrusted"})
_SIGNED_CAPTURE = frozenset({"c2pa_capture_trusted", "c2pa_edited_nonai"})


def find_conflicts(credentials: Evidence, metadata: Evidence) -> tuple[Reason, ...]:
    """Return the contradictions between the two readings of one file."""
    marks = list(metadata.details.get("marks", ()))
    return tuple(_conflicts(credentials.details, str(metadata.details.get("verdict", "")), marks))


def _conflicts(signed: Mapping[str, Any], unsigned: str, marks: list[Mapping[str, Any]]) -> Iterator[Reason]:
    verdict = signed.get("verdict")
    camera = next((mark["values"] for mark in marks if mark["code"] == "unsigned_camera_claim"), None)
    if verdict in _SIGNED_CAPTURE and unsigned in ("ai", "edited_ai"):
        yield Reason(
            "conflict_capture_and_unsigned_ai",
            "Content Credentials say camera, unsigned metadata says AI. Both are shown.",
        )
    if verdict in _SIGNED_AI and camera is not None:
        yield Reason(
            "conflict_ai_and_camera_metadata",
            "Content Credentials say AI, unsigned metadata names a camera; such metadata is easily forged.",
        )
    signed_camera = signed.get("signed_camera") or {}
    if camera is not None and signed_camera.get("model") and signed_camera["model"] != camera.get("model"):
        text = f"EXIF names the camera {camera.get('model')}, the signed data {signed_camera['model']}."
        yield Reason("conflict_signed_exif", text)
    capture = signed.get("capture") or {}
    if camera is None or verdict not in _SIGNED_CAPTURE or not capture:
        return
    maker, organisation = str(camera.get("make", "")), str(capture.get("organisation", ""))
    if not _could_be_same(maker, organisation):
        text = f"EXIF names the maker {maker}, the certificate belongs to {organisation}."
        yield Reason("conflict_camera_names", text)
    gap = _time_gap(str(camera.get("taken", "")), [str(capture.get("signed_at", "")), *capture.get("times", ())])
    if gap is not None and gap > _MAX_TIME_GAP:
        text = f"The times in EXIF and in the Content Credentials lie {gap.days} days apart."
        yield Reason("conflict_times", text)


def _could_be_same(maker: str, organisation: str) -> bool:
    """Say whether two company names could be the same: one word in common, or one begins the other."""
    left, right = _words(maker), _words(organisation)
    if not left or not right:
        return True  # nothing to compare
    return any(one.startswith(other) or other.startswith(one) for one in left for other in right)


def _words(name: str) -> set[str]:
    return {word for word in re.findall(r"[^\W_]{2,}", name.lower()) if word not in _COMPANY_WORDS}


def _time_gap(exif: str, signed: list[str]) -> dt.timedelta | None:
    match = _EXIF_TIME.match(exif)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups())
    try:
        taken = dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
    except ValueError:
        return None
    known = [time for time in map(parse_time, signed) if time is not None]
    return min((abs(time - taken) for time in known), default=None)

"""What else a manifest store says: soft bindings, wishes about AI training, identities, signed camera data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from detect.provenance.store import Store
from detect.provenance.text import clean

_ALGORITHM_OWNERS = {
    "com.adobe.trustmark": "Adobe TrustMark",
    "com.digimarc": "Digimarc",
    "io.iscc": "ISCC (ISO 24138)",
    "com.microsoft.invismark": "Microsoft InvisMark",
    "com.microsoft.wavmark": "Microsoft WavMark",
    "com.imatag": "Imatag",
    "com.aiwatermark": "Meta Seal",
    "com.adobe.icn": "Adobe image fingerprint",
}
"""Beginnings of names in the C2PA soft-binding algorithm list (April 2026)."""

_EXIF_LABELS = ("stds.exif", "c2pa.metadata", "cawg.metadata")
_MAX_ENTRIES = 20


def soft_bindings(store: Store) -> list[dict[str, str]]:
    """Return the watermarks and fingerprints that the manifests name, which can lead back to a stripped credential."""
    found = {
        clean(data.get("alg"), max_characters=80)
        for one in store.manifests
        for data in one.assertion("c2pa.soft-binding")
        if data.get("alg")
    }
    return [{"algorithm": name, "name": _owner(name)} for name in sorted(found)[:_MAX_ENTRIES]]


def training_wishes(store: Store) -> dict[str, str]:
    """Return what the active manifest says about data mining and AI training: purpose to `allowed`, `notAllowed`..."""
    found: dict[str, str] = {}
    for label in ("c2pa.training-mining", "cawg.training-mining"):
        for data in store.active.assertion(label):
            entries = data.get("entries")
            for purpose, entry in list(entries.items())[:_MAX_ENTRIES] if isinstance(entries, Mapping) else []:
                if isinstance(entry, Mapping):
                    found[clean(purpose, max_characters=80)] = clean(entry.get("use"), max_characters=40)
    return found


def has_identity(store: Store) -> bool:
    """Say whether a named identity (CAWG) is attached; resolving it needs the network, so it is only reported."""
    return any(one.assertion("cawg.identity") for one in store.manifests)


def signed_camera(store: Store) -> dict[str, str]:
    """Return make and model from signed EXIF assertions of the main line, oldest first; empty when there is none."""
    for one in reversed(store.lineage()):
        for label in _EXIF_LABELS:
            for data in one.assertion(label):
                values = {name: value for name, value in _flat(data) if name in ("make", "model") and value}
                if values:
                    return values
    return {}


def _flat(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in data.items():
        if isinstance(value, str):
            yield str(key).rpartition(":")[2].lower(), clean(value, max_characters=80)


def _owner(algorithm: str) -> str:
    return next((name for start, name in _ALGORITHM_OWNERS.items() if algorithm.startswith(start)), "")

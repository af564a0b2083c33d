"""C2PA bytes in, a manifest store out: the only module that calls c2pa-python.

What must hold (each is covered by a test):
- the network stays off: remote manifests, OCSP and host list are switched off explicitly, because the library's
  default fetches the address that a file names;
- identity assertions (CAWG) are not decoded: without a network they turn genuine files invalid;
- settings travel in a Context; the library's global settings are left alone.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from detect.provenance.crjson import read_store
from detect.provenance.settings import ProvenanceSettings
from detect.provenance.store import Store
from detect.provenance.trust import TrustLevel, TrustStore

EXTRA_EKUS = (
    "1.3.6.1.5.5.7.3.4",  # emailProtection
    "1.3.6.1.5.5.7.3.36",  # documentSigning
    "1.3.6.1.5.5.7.3.8",  # timeStamping
    "1.3.6.1.5.5.7.3.9",  # OCSPSigning
    "1.3.6.1.4.1.311.76.59.1.9",  # Microsoft's C2PA use: without it old Bing files are invalid
    "1.3.6.1.4.1.62558.2.1",  # C2PA claim signing
)

MIME_BY_FORMAT = {
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "apng": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "avif": "image/avif",
    "heic": "image/heic",
    "heif": "image/heif",
    "tiff": "image/tiff",
    "dng": "image/x-adobe-dng",
    "jxl": "image/jxl",
    "svg": "image/svg+xml",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "m4v": "video/x-m4v",
    "avi": "video/x-msvideo",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "m4a": "audio/mp4",
    "pdf": "application/pdf",
    "c2pa": "application/c2pa",
}

_REMOTE_ADDRESS = re.compile(r"https?://[^\s\"'<>]{1,2000}")


class ReadOutcome(StrEnum):
    """How reading ended; only `READ` has a store."""

    READ = "read"
    ABSENT = "absent"
    REMOTE_ONLY = "remote_only"
    UNREADABLE = "unreadable"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True)
class Reading:
    """What the library said about one file.

    `trust` holds, by manifest label, the best list that vouches for its signer. `error` is the library's own text,
    not yet cleaned.
    """

    outcome: ReadOutcome
    store: Store | None = None
    trust: dict[str, TrustLevel] = field(default_factory=dict)
    is_embedded: bool = True
    remote_url: str = ""
    error: str = ""


def read_manifests(
    path: Path, *, format: str, trust: TrustStore, settings: ProvenanceSettings, manifest: bytes | None = None
) -> Reading:
    """Return the manifest store of a file and which trust list vouches for each of its manifests.

    One reading with every installed list tells whether anyone is trusted at all, and by its explanations which set of
    anchors vouched: the official lists are the library's system anchors, all others its user anchors. Only what stays
    open after that (the wording is not part of the library's contract) costs a narrower reading.

    Args:
        path: The file.
        format: Its sniffed format.
        trust: Installed lists.
        settings: Network off unless they say otherwise.
        manifest: A sidecar's bytes, read instead of what is embedded.

    Raises:
        OSError: The path cannot be opened.
    """
    levels = trust.levels()
    widest = levels[-1] if levels else TrustLevel.NONE
    reading = _read_once(path, format=format, trust=trust, level=widest, settings=settings, manifest=manifest)
    if reading.store is None:
        return reading
    granted = _told(reading.store, levels)
    waiting = {one.label for one in reading.store.manifests if _is_trusted(reading.store, one.label)} - granted.keys()
    for level in levels:
        if not waiting:
            break
        if level is widest:
            narrower = reading
        else:
            narrower = _read_once(path, format=format, trust=trust, level=level, settings=settings, manifest=manifest)
        for label in sorted(waiting):
            if narrower.store is not None and _is_trusted(narrower.store, label):
                granted[label] = level
        waiting -= granted.keys()
    return Reading(
        outcome=reading.outcome,
        store=reading.store,
        trust={one.label: granted.get(one.label, TrustLevel.NONE) for one in reading.store.manifests},
        is_embedded=reading.is_embedded,
        remote_url=reading.remote_url,
    )


def _told(store: Store, levels: tuple[TrustLevel, ...]) -> dict[str, TrustLevel]:
    """Return the levels that the library's explanations settle: official, or the only other list installed."""
    others = [level for level in levels if level is not TrustLevel.OFFICIAL]
    found: dict[str, TrustLevel] = {}
    for one in store.manifests:
        if one.anchor_set == "system_anchors":
            found[one.label] = TrustLevel.OFFICIAL
        elif one.anchor_set == "user_anchors" and len(others) == 1:
            found[one.label] = others[0]
    return found


def _is_trusted(store: Store, label: str) -> bool:
    """Say whether this reading trusts the signer of that manifest.

    For ingredients the library reports only what differs from the result that the next signer stored, so a signer
    trusted then and now appears in the stored result alone.
    """
    manifest = store.find(label)
    if manifest is None:
        return False
    if "signingCredential.trusted" in manifest.success:
        return True
    if any(code.startswith("signingCredential.") for code in manifest.failure) or manifest is store.active:
        return False
    uses = [item for one in store.manifests for item in one.ingredients if item.manifest_label == label]
    was_validated = "ingredient.manifest.validated" in manifest.success
    return was_validated and bool(uses) and all(item.was_trusted for item in uses)


def _read_once(
    path: Path,
    *,
    format: str,
    trust: TrustStore,
    level: TrustLevel,
    settings: ProvenanceSettings,
    manifest: bytes | None,
) -> Reading:
    import c2pa  # 23 MB of native code: loaded at first use

    system, user = trust.pem_up_to(level)
    mime = MIME_BY_FORMAT.get(format.lower())
    context = _context(system, user, settings.fetch_remote, settings.allowed_hosts)
    with path.open("rb") as stream:
        try:
            with c2pa.Reader(mime, stream, manifest_data=manifest, context=context) as reader:
                store = read_store(json.loads(reader.crjson()), str(reader.get_validation_state()))
                if store is None:
                    return Reading(ReadOutcome.ABSENT)
                return Reading(
                    ReadOutcome.READ,
                    store=store,
                    is_embedded=bool(reader.is_embedded()),
                    remote_url=str(reader.get_remote_url() or ""),
                )
        except c2pa.C2paError as error:
            return _explain(c2pa, error)
        except ValueError as error:  # the library's answer is no JSON
            return Reading(ReadOutcome.UNREADABLE, error=str(error))


def _explain(c2pa: Any, error: Exception) -> Reading:
    """Turn the library's exceptions into outcomes; absence and an online manifest are findings, not failures."""
    text = str(error)
    if isinstance(error, c2pa.C2paError.ManifestNotFound):
        return Reading(ReadOutcome.ABSENT)
    if text.startswith("Remote:") or isinstance(error, c2pa.C2paError.RemoteManifest):
        found = _REMOTE_ADDRESS.search(text)
        return Reading(ReadOutcome.REMOTE_ONLY, is_embedded=False, remote_url=found[0] if found else "", error=text)
    if isinstance(error, c2pa.C2paError.NotSupported):
        return Reading(ReadOutcome.UNSUPPORTED, error=text)
    return Reading(ReadOutcome.UNREADABLE, error=text)


@functools.lru_cache(maxsize=16)
def _context(system_anchors: str, user_anchors: str, fetch_remote: bool, allowed_hosts: tuple[str, ...]) -> Any:
    """Return a reusable Context; making one parses every anchor, which takes longer than reading a small file."""
    import c2pa

    trust: dict[str, Any] = {"trust_config": "\n".join(EXTRA_EKUS) + "\n"}
    if system_anchors:
        trust["trust_anchors"] = system_anchors
    if user_anchors:
        trust["user_anchors"] = user_anchors
    return c2pa.Context.from_dict(
        {
            "verify": {"remote_manifest_fetch": fetch_remote, "ocsp_fetch": False, "verify_trust": True},
            "core": {
                "allowed_network_hosts": list(allowed_hosts) if fetch_remote else [],
                "decode_identity_assertions": False,
            },
            "trust": trust,
        }
    )

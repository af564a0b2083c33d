"""Attach a finished Report to a copy of its media as a signed C2PA assertion, and read it back.

A newsroom signs its check with its own certificate. The file's own Content Credentials stay inside as the parent, so
nothing is hidden; the actions say "opened" and "metadata edited", which change no pixel.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detect.errors import ConfigError, ProvenanceError
from detect.files import write_whole
from detect.provenance.codes import Bucket, sort_failures
from detect.provenance.reader import MIME_BY_FORMAT, Reading, read_manifests
from detect.provenance.settings import ProvenanceSettings
from detect.provenance.text import clean
from detect.provenance.trust import TrustLevel, load_trust
from detect.provenance.words import signer_name

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

ASSERTION_LABEL = "org.witnessmark.report"
"""The assertion that holds `{"version": 1, "source_sha256": ..., "report": ...}`."""

ASSERTION_VERSION = 1
MAX_REPORT_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Credentials:
    """The signer's certificate chain (leaf first, without the root) and private key, both PEM."""

    chain_pem: bytes
    key_pem: bytes
    password: bytes | None = None


@dataclass(frozen=True)
class SignedReport:
    """A Report that was read back.

    `is_intact` says that neither Report nor media changed since the signature; `trust` which list knows the signer.
    """

    report: Mapping[str, Any]
    source_sha256: str
    signed_by: str
    signed_at: str
    is_intact: bool
    trust: TrustLevel
    failures: tuple[str, ...]


def sign_report(
    media: Path,
    report: Mapping[str, Any],
    output: Path,
    *,
    format: str,
    credentials: Credentials,
    is_sidecar: bool = False,
    time_stamp_url: str | None = None,
) -> None:
    """Write a copy of the media, or a sidecar beside it, that carries the Report.

    Args:
        media: The file that the Report judges; never changed.
        report: JSON-ready Report (`detect.serialize.report_to_dict`); its `media.sha256` must be this file's.
        output: The signed copy, or the sidecar (`.c2pa`); must not exist.
        format: The sniffed format of the media.
        credentials: Of whoever publishes the check.
        is_sidecar: Leave the media as it is and write the manifest alone.
        time_stamp_url: An RFC 3161 time-stamp authority; asked over the network only when given.

    Raises:
        ConfigError: The Report is not this file's, the format cannot be signed, the output exists, or key and
            certificate do not fit.
        ProvenanceError: Signing failed.
    """
    if output.exists():
        raise ConfigError(f"{output} exists already; give another --out")
    mime = MIME_BY_FORMAT.get(format.lower())
    if mime is None or format == "c2pa":
        raise ConfigError(f"{format} files cannot carry Content Credentials")
    data = media.read_bytes()
    definition = _definition(media.name, report, hashlib.sha256(data).hexdigest())
    signed, manifest = _sign(data, mime, definition, credentials, is_sidecar, time_stamp_url)
    if is_sidecar and signed != data:
        raise ConfigError(
            "this file carries credentials of its own, so a sidecar cannot describe it; sign a copy instead"
        )
    write_whole(output, manifest if is_sidecar else signed)


def read_report(
    media: Path, *, format: str, sidecar: Path | None = None, settings: ProvenanceSettings | None = None
) -> SignedReport | None:
    """Return the Report that the file, or its sidecar, carries; None when there is none.

    Raises:
        OSError: A path cannot be opened.
        ProvenanceError: The assertion is there but holds no Report.
    """
    chosen = settings or ProvenanceSettings()
    trust = load_trust(chosen.resolved_trust_dir())
    manifest = sidecar.read_bytes() if sidecar is not None else None
    reading = read_manifests(media, format=format, trust=trust, settings=chosen, manifest=manifest)
    if reading.store is None:
        return None
    for one in reading.store.manifests:
        found = one.assertion(ASSERTION_LABEL)
        if found:
            return _read_back(found[0], reading, one.label)
    return None


def _read_back(assertion: Mapping[str, Any], reading: Reading, label: str) -> SignedReport:
    report = assertion.get("report")
    if not isinstance(report, Mapping):
        raise ProvenanceError(f"the assertion {ASSERTION_LABEL} holds no Report")
    store = reading.store
    manifest = store.find(label) if store else None
    if store is None or manifest is None:
        raise ProvenanceError("the manifest of the Report is gone")
    # A Report in an older manifest of the chain judged an earlier state of the file, so it is intact only as active.
    buckets = sort_failures(manifest.failure)
    is_broken = bool(buckets[Bucket.NOT_VALID] or buckets[Bucket.NOT_WELL_FORMED])
    return SignedReport(
        report=report,
        source_sha256=clean(assertion.get("source_sha256")),
        signed_by=signer_name(manifest),
        signed_at=clean(manifest.signed_at),
        is_intact=not is_broken and manifest is store.active,
        trust=reading.trust.get(label, TrustLevel.NONE),
        failures=tuple(sorted(clean(code) for code in manifest.failure)),
    )


def _definition(name: str, report: Mapping[str, Any], sha256: str) -> dict[str, Any]:
    media = report.get("media")
    judged = media.get("sha256") if isinstance(media, Mapping) else None
    if judged != sha256:
        raise ConfigError("the Report judges another file: its media.sha256 is not this file's")
    if len(json.dumps(report)) > MAX_REPORT_BYTES:
        raise ConfigError(f"the Report is larger than {MAX_REPORT_BYTES} bytes")
    actions = [
        {"action": "c2pa.opened", "parameters": {"ingredientIds": ["parent"]}},
        {"action": "c2pa.edited.metadata", "softwareAgent": {"name": "Witnessmark"}},
    ]
    data = {"version": ASSERTION_VERSION, "source_sha256": sha256, "report": report}
    return {
        "claim_generator_info": [{"name": "Witnessmark", "version": str(report.get("schema_version", ""))}],
        "title": clean(name),
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": actions, "allActionsIncluded": True}, "created": True},
            {"label": ASSERTION_LABEL, "data": data, "created": True},
        ],
    }


def _sign(
    data: bytes,
    mime: str,
    definition: dict[str, Any],
    credentials: Credentials,
    is_sidecar: bool,
    time_stamp_url: str | None,
) -> tuple[bytes, bytes]:
    """Return (signed copy, manifest)."""
    import c2pa

    context = c2pa.Context.from_dict(
        {
            "verify": {"verify_after_sign": False, "remote_manifest_fetch": False, "ocsp_fetch": False},
            "builder": {"thumbnail": {"enabled": False}},
        }
    )
    algorithm, key_pem = _prepare_key(credentials)
    parent = {"title": definition["title"], "relationship": "parentOf", "label": "parent", "instance_id": "parent"}
    signed = io.BytesIO()
    try:
        builder = c2pa.Builder(definition, context=context)
        if is_sidecar:
            builder.set_no_embed()
        builder.add_ingredient(parent, mime, io.BytesIO(data))
        info = c2pa.C2paSignerInfo(algorithm, credentials.chain_pem, key_pem, time_stamp_url)
        manifest = builder.sign(c2pa.Signer.from_info(info), mime, io.BytesIO(data), signed)
    except c2pa.C2paError as error:
        raise ProvenanceError(f"signing failed: {clean(error)}") from error
    return signed.getvalue(), bytes(manifest)


def _prepare_key(credentials: Credentials) -> tuple[Any, bytes]:
    """Return the signing algorithm that fits the key, and the key as the library needs it: unencrypted PKCS#8 PEM."""
    from cryptography.hazmat.primitives import serialization

    try:
        key = serialization.load_pem_private_key(credentials.key_pem, credentials.password)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"the private key cannot be read: {error}") from error
    if b"-----BEGIN CERTIFICATE-----" not in credentials.chain_pem:
        raise ConfigError("the certificate chain holds no PEM certificate")
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return _algorithm_of(key), pem


def _algorithm_of(key: PrivateKeyTypes) -> Any:
    import c2pa
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    algorithms = c2pa.C2paSigningAlg
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return algorithms.ED25519
    if isinstance(key, rsa.RSAPrivateKey):
        return algorithms.PS256
    if isinstance(key, ec.EllipticCurvePrivateKey):
        found = {256: algorithms.ES256, 384: algorithms.ES384, 521: algorithms.ES512}.get(key.key_size)
        if found is not None:
            return found
    raise ConfigError("the private key must be EC P-256, P-384 or P-521, RSA or Ed25519")

"""C2PA validation codes sorted into the official buckets, with two deliberate departures.

Source: C2PA "Asset Rubric: Integrity" (c2pa-org/conformance-public, 2026-08-06) and c2pa-rs `validation_status.rs`.
`claimSignature.mismatch` stands in the official "not trusted" bucket; here it means that the signed claim was changed,
so it counts as tampered. Codes that start with `cawg.` belong to identity assertions, which need the network to be
resolved; they never decide integrity.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Bucket(StrEnum):
    """Where a failure code belongs."""

    NOT_WELL_FORMED = "not_well_formed"
    NOT_VALID = "not_valid"
    NOT_TRUSTED = "not_trusted"


_NOT_WELL_FORMED = frozenset(
    [
        "claim.missing",
        "claim.multiple",
        "claim.malformed",
        "claim.cbor.invalid",
        "claim.hardBindings.missing",
        "hashedURI.missing",
        "assertion.multipleHardBindings",
        "ingredient.manifest.missing",
        "manifest.inaccessible",
        "manifest.multipleParents",
        "manifest.compressed.invalid",
        "assertion.action.malformed",
        "assertion.dataHash.malformed",
        "assertion.bmffHash.malformed",
        "assertion.boxesHash.malformed",
        "assertion.collectionHash.malformed",
        "assertion.ingredient.malformed",
        "assertion.multiAssetHash.malformed",
        "assertion.external-reference.malformed",
        "assertion.external-reference.labelMismatch",
        "assertion.external-reference.created",
        "assertion.alternativeContentRepresentation.malformed",
        "assertion.alternativeContentRepresentation.missing",
        "assertion.cbor.invalid",
        "assertion.json.invalid",
        "assertion.boxesHash.unknownBox",
        "manifest.html.multipleManifests",
        "assertion.missing",
        "algorithm.unsupported",
    ]
)
_NOT_WELL_FORMED_PREFIXES = ("manifest.update.", "manifest.timestamp.", "manifest.structuredText.")

_NOT_VALID = frozenset(
    [
        "assertion.dataHash.mismatch",
        "assertion.bmffHash.mismatch",
        "assertion.boxesHash.mismatch",
        "assertion.collectionHash.mismatch",
        "assertion.hashedURI.mismatch",
        "assertion.multiAssetHash.mismatch",
        "assertion.external-reference.hashMismatch",
        "assertion.alternativeContentRepresentation.hashMismatch",
        "assertion.notRedacted",
        "assertion.selfRedacted",
        "assertion.undeclared",
        "assertion.outsideManifest",
        "assertion.action.ingredientMismatch",
        "assertion.action.redactionMismatch",
        "assertion.action.redacted",
        "assertion.hardBinding.redacted",
        "hashedURI.mismatch",
        "ingredient.hashedURI.mismatch",
        "ingredient.manifest.mismatch",
        "ingredient.claimSignature.missing",
        "ingredient.claimSignature.mismatch",
        "claimSignature.missing",
        "claimSignature.mismatch",
    ]
)

REVOKED_CODES = frozenset({"signingCredential.ocsp.revoked", "signingCredential.revoked"})
EXPIRED_CODES = frozenset({"signingCredential.expired", "claimSignature.outsideValidity"})


def bucket_of(code: str) -> Bucket | None:
    """Return the bucket of a failure code; None for codes that must not decide (`cawg.*`)."""
    if code.startswith("cawg."):
        return None
    if code.startswith("timeStamp."):
        return Bucket.NOT_TRUSTED  # the time is in doubt, not the content
    if code in _NOT_VALID:
        return Bucket.NOT_VALID
    if code in _NOT_WELL_FORMED or code.startswith(_NOT_WELL_FORMED_PREFIXES):
        return Bucket.NOT_WELL_FORMED
    if code.endswith(".mismatch"):
        return Bucket.NOT_VALID  # a hash kind newer than this table
    if code.endswith((".malformed", ".invalid", ".missing")) and not code.startswith("signingCredential."):
        return Bucket.NOT_WELL_FORMED
    return Bucket.NOT_TRUSTED


def sort_failures(codes: Iterable[str]) -> dict[str, list[str]]:
    """Return the codes by bucket name, each list sorted and free of repeats; all three buckets are present."""
    sorted_codes: dict[str, set[str]] = {bucket.value: set() for bucket in Bucket}
    for code in codes:
        bucket = bucket_of(code)
        if bucket is not None:
            sorted_codes[bucket.value].add(code)
    return {name: sorted(found) for name, found in sorted_codes.items()}

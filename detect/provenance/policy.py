"""From claims and trust to a verdict, a weight and words: the scoring policy, one row a verdict.

Weights are natural-log likelihood ratios, positive towards synthetic. Claims against one's own interest ("I am AI")
weigh even when the signer is unknown; claims in one's favour ("I am a camera") weigh only when a trusted list vouches
for every signer on the way. A broken manifest weighs nothing, and absence weighs nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from detect.provenance import signals
from detect.provenance.claims import Claims, path_to, read_claims
from detect.provenance.codes import EXPIRED_CODES, REVOKED_CODES, Bucket, sort_failures
from detect.provenance.reader import Reading
from detect.provenance.signers import Product, find_distrust, find_product
from detect.provenance.store import Manifest, Store, parse_time
from detect.provenance.trust import INTERIM_FREEZE, TrustLevel, TrustStore


class C2paVerdict(StrEnum):
    """Stable names of what a manifest store amounts to; also the first reason code."""

    AI_TRUSTED = "c2pa_ai_trusted"
    AI_TRUSTED_INTERIM = "c2pa_ai_trusted_interim"
    AI_VALID_UNTRUSTED = "c2pa_ai_valid_untrusted"
    AI_EDITED = "c2pa_ai_edited"
    CAPTURE_TRUSTED = "c2pa_capture_trusted"
    CAPTURE_UNTRUSTED = "c2pa_capture_untrusted"
    EDITED_NONAI = "c2pa_edited_nonai"
    SIGNED_NO_ORIGIN = "c2pa_signed_no_origin"
    INGREDIENT_FAILED = "c2pa_ingredient_failed"
    INVALID = "c2pa_invalid"
    MALFORMED = "c2pa_malformed"
    REVOKED = "c2pa_revoked"
    EXPIRED = "c2pa_expired"
    DISTRUSTED_SIGNER = "c2pa_distrusted_signer"
    DISALLOWED_CLAIM = "c2pa_disallowed_claim"


@dataclass(frozen=True)
class Weight:
    """What a verdict does to P(synthetic): log-odds, and bounds that fusion keeps."""

    llr: float = 0.0
    floor: float | None = None


def _override(floor: float) -> Weight:
    return Weight(math.log(floor / (1.0 - floor)), floor)


AI_FLOORS = {TrustLevel.OFFICIAL: 0.99, TrustLevel.CUSTOM: 0.99, TrustLevel.INTERIM_FROZEN: 0.97, TrustLevel.NONE: 0.90}
AI_EDITED_WEIGHT = _override(0.6)
VOID_AI_LLR = 2.0
"""An AI claim under a revoked, expired, distrusted or malformed credential: still a claim against interest."""

CAPTURE_FLOOR = 0.02
"""A camera's signature never makes P(synthetic) 0: a photographed screen is a real capture."""

CAPTURE_LLR = -3.0
CAPTURE_ASSURED_LLR = -4.0
CAPTURE_DOUBTED_LLR = -2.0
"""A signer known to the frozen interim list only, or an official one whose product the conformance list lacks."""

EDITED_LLR = -1.0
EDITED_INTERIM_LLR = -0.5
ASSURED_LEVEL = 2

_LEVEL_ORDER = list(TrustLevel)


@dataclass(frozen=True)
class Judgement:
    """What the policy makes of a store: verdict, weight, and the facts the words are made from."""

    verdict: C2paVerdict
    weight: Weight
    claims: Claims
    level: TrustLevel
    is_manipulated: bool = False
    notes: tuple[str, ...] = ()
    product: Product | None = None
    distrust_reason: str = ""


def judge(reading: Reading, trust: TrustStore) -> Judgement:
    """Return the verdict on a store that was read.

    Raises:
        ValueError: The reading holds no store; ask only after `ReadOutcome.READ`.
    """
    store = reading.store
    if store is None:
        raise ValueError(f"nothing to judge: reading ended as {reading.outcome}")
    claims = read_claims(store)
    levels = reading.trust
    product = find_product((claims.captured_by or store.active).certificate, trust.products)
    notes = _notes(store, claims)
    broken = _broken(store, claims)
    if broken is C2paVerdict.INVALID:
        tampered = tuple(code for code in notes if code == "ingredient_tampered")
        return Judgement(broken, Weight(), claims, TrustLevel.NONE, notes=("manifest_tampered", *tampered))
    if broken is not None:
        return _void(broken, claims, notes, product=product)
    entry = next(filter(None, (find_distrust(one.certificate, trust.distrusted) for one in store.lineage())), None)
    if entry is not None:
        reason = str(entry.get("reason") or "no reason given")
        return _void(C2paVerdict.DISTRUSTED_SIGNER, claims, notes, product=product, distrust_reason=reason)
    if product is not None and not product.is_conformant:
        reason = f"the conformance programme lists the product as {product.status}"
        return _void(C2paVerdict.DISTRUSTED_SIGNER, claims, notes, product=product, distrust_reason=reason)
    if _disallowed(store, trust):
        return _void(C2paVerdict.DISALLOWED_CLAIM, claims, notes, product=product)
    is_unlisted = bool(trust.products) and product is None and levels.get(store.active.label) is TrustLevel.OFFICIAL
    if is_unlisted:
        notes = (*notes, "product_not_listed")
    return _believe(store, claims, levels, notes, product)


def _broken(store: Store, claims: Claims) -> C2paVerdict | None:
    """Return the verdict of an active manifest that does not hold, or None; `cawg.*` codes never decide."""
    failures = sort_failures(store.active.failure)
    if failures[Bucket.NOT_VALID]:
        return C2paVerdict.INVALID
    if failures[Bucket.NOT_WELL_FORMED]:
        return C2paVerdict.MALFORMED
    untrusted = set(failures[Bucket.NOT_TRUSTED])
    if untrusted & REVOKED_CODES:
        return C2paVerdict.REVOKED
    if untrusted & EXPIRED_CODES:
        return C2paVerdict.EXPIRED
    if "signingCredential.invalid" in untrusted:
        return C2paVerdict.MALFORMED
    has_identity_failure = any(code.startswith("cawg.") for code in store.active.failure)
    if store.state == "Invalid" and not has_identity_failure:
        return C2paVerdict.INVALID if claims.failed_ingredients else C2paVerdict.MALFORMED
    return None


def _void(
    verdict: C2paVerdict,
    claims: Claims,
    notes: tuple[str, ...],
    *,
    product: Product | None,
    distrust_reason: str = "",
) -> Judgement:
    """Capture claims are void; an AI claim still speaks against its own interest."""
    weight = Weight(VOID_AI_LLR) if claims.is_ai else Weight()
    return Judgement(
        verdict,
        weight,
        claims,
        TrustLevel.NONE,
        is_manipulated=claims.is_ai and claims.generated_by is None,
        notes=notes,
        product=product,
        distrust_reason=distrust_reason,
    )


def _believe(
    store: Store, claims: Claims, levels: dict[str, TrustLevel], notes: tuple[str, ...], product: Product | None
) -> Judgement:
    if claims.generated_by is not None:
        level = _worst(path_to(store, claims.generated_by), levels)
        verdict = {
            TrustLevel.INTERIM_FROZEN: C2paVerdict.AI_TRUSTED_INTERIM,
            TrustLevel.NONE: C2paVerdict.AI_VALID_UNTRUSTED,
        }.get(level, C2paVerdict.AI_TRUSTED)
        return Judgement(verdict, _override(AI_FLOORS[level]), claims, level, notes=notes, product=product)
    if claims.generated_parts:
        level = _worst((store.active,), levels)
        return Judgement(
            C2paVerdict.AI_EDITED, AI_EDITED_WEIGHT, claims, level, is_manipulated=True, notes=notes, product=product
        )
    origin = claims.captured_by or claims.created_by
    if origin is None or claims.has_unknown_parent:
        level = _worst((store.active,), levels)
        return Judgement(C2paVerdict.SIGNED_NO_ORIGIN, Weight(), claims, level, notes=notes, product=product)
    path = path_to(store, origin)
    level = _worst(path, levels)
    is_frozen_out = level is TrustLevel.INTERIM_FROZEN and any(_is_after_freeze(one) for one in path)
    if is_frozen_out:
        notes = (*notes, "interim_after_freeze")
    if level is TrustLevel.NONE or is_frozen_out:
        verdict = C2paVerdict.CAPTURE_UNTRUSTED if claims.captured_by else C2paVerdict.SIGNED_NO_ORIGIN
        return Judgement(verdict, Weight(), claims, TrustLevel.NONE, notes=notes, product=product)
    if claims.failed_ingredients:
        return Judgement(C2paVerdict.INGREDIENT_FAILED, Weight(), claims, level, notes=notes, product=product)
    if claims.may_hold_ai:
        return Judgement(C2paVerdict.SIGNED_NO_ORIGIN, Weight(), claims, level, notes=notes, product=product)
    is_interim = level is TrustLevel.INTERIM_FROZEN
    if claims.is_edited or claims.captured_by is None:
        weight = Weight(EDITED_INTERIM_LLR if is_interim else EDITED_LLR, CAPTURE_FLOOR)
        return Judgement(C2paVerdict.EDITED_NONAI, weight, claims, level, notes=notes, product=product)
    if "signingCredential.ocsp.notRevoked" not in origin.success:
        notes = (*notes, "revocation_not_checked")
    llr = CAPTURE_DOUBTED_LLR if is_interim or "product_not_listed" in notes else CAPTURE_LLR
    if level is TrustLevel.OFFICIAL and product is not None and product.assurance_level >= ASSURED_LEVEL:
        llr = CAPTURE_ASSURED_LLR
    weight = Weight(llr, CAPTURE_FLOOR)
    return Judgement(C2paVerdict.CAPTURE_TRUSTED, weight, claims, level, notes=notes, product=product)


def _worst(path: tuple[Manifest, ...], levels: dict[str, TrustLevel]) -> TrustLevel:
    """Return the weakest trust on the way: a chain is as good as the signer who could have lied."""
    return max((levels.get(one.label, TrustLevel.NONE) for one in path), key=_LEVEL_ORDER.index)


def _is_after_freeze(manifest: Manifest) -> bool:
    when = manifest.signed_time or parse_time(manifest.certificate.valid_from)
    return when is None or when >= INTERIM_FREEZE


def _disallowed(store: Store, trust: TrustStore) -> bool:
    """Say whether a signer on the main line makes a claim that its conformance record forbids."""
    for one in store.lineage():
        product = find_product(one.certificate, trust.products)
        if product is not None and product.disallowed & signals.evaluate(one):
            return True
    return False


def _notes(store: Store, claims: Claims) -> tuple[str, ...]:
    notes: list[str] = []
    if claims.failed_ingredients:
        notes.append("ingredient_tampered")
    if claims.has_unknown_parent:
        notes.append("parent_without_credentials")
    if "ambiguousActions" in signals.evaluate(store.active):
        notes.append("actions_may_be_incomplete")
    if any("additionalExclusionsPresent" in code for one in store.manifests for code in one.informational):
        notes.append("parts_not_covered_by_hash")
    if any(one.redacted for one in store.manifests):
        notes.append("assertions_redacted")
    return tuple(notes)

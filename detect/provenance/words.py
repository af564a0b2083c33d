"""Plain English for every reason code of provenance; the codes are stable, the texts may improve."""

from __future__ import annotations

from detect.provenance.policy import C2paVerdict, Judgement
from detect.provenance.store import Manifest, Store
from detect.provenance.text import clean
from detect.provenance.trust import TrustLevel
from detect.types import Reason

_LEVEL_WORDS = {
    TrustLevel.OFFICIAL: "on the official C2PA trust list",
    TrustLevel.CUSTOM: "trusted by a list that this installation added",
    TrustLevel.INTERIM_FROZEN: "on the frozen interim trust list only",
    TrustLevel.NONE: "not recognised by any installed trust list",
}

_VERDICT_TEXTS = {
    C2paVerdict.AI_TRUSTED: "Content Credentials signed by {signer} say: AI-generated.",
    C2paVerdict.AI_TRUSTED_INTERIM: (
        "Content Credentials signed by {signer} say: AI-generated. The signer is on the frozen interim list."
    ),
    C2paVerdict.AI_VALID_UNTRUSTED: "Content Credentials say: AI-generated. Signature intact, signer not recognised.",
    C2paVerdict.AI_EDITED: "Content Credentials signed by {signer} say: contains AI-generated or AI-edited parts.",
    C2paVerdict.CAPTURE_TRUSTED: "Signed at capture by {signer}. It does not prove that the scene is real.",
    C2paVerdict.CAPTURE_UNTRUSTED: (
        "Content Credentials claim a camera, but the signer is not recognised: anyone can sign such a claim."
    ),
    C2paVerdict.EDITED_NONAI: "Content Credentials signed by {signer} record ordinary work without declared AI.",
    C2paVerdict.SIGNED_NO_ORIGIN: "Content Credentials signed by {signer} do not say how the content came about.",
    C2paVerdict.INVALID: (
        "Content Credentials are invalid: something was changed after signing. Available data should be disregarded; "
        "this alone does not mean that the content is fake."
    ),
    C2paVerdict.INGREDIENT_FAILED: (
        "The last signature holds, but a file that went in was already broken or changed: what is said about the "
        "origin does not count."
    ),
    C2paVerdict.MALFORMED: (
        "Content Credentials are incomplete or not well-formed; available data should be disregarded."
    ),
    C2paVerdict.REVOKED: "The certificate that signed the Content Credentials was revoked.",
    C2paVerdict.EXPIRED: "The certificate had expired, and no trusted time stamp shows that the signature is older.",
    C2paVerdict.DISTRUSTED_SIGNER: "The signer of the Content Credentials is on the distrust list: {distrust}",
    C2paVerdict.DISALLOWED_CLAIM: (
        "The signer's product is not allowed to make the claim that these Content Credentials make."
    ),
}

_NOTE_TEXTS = {
    "manifest_tampered": "The manifest or the content was changed after signing.",
    "ingredient_tampered": "An ingredient was already broken or changed when it was added: {ingredients}.",
    "parent_without_credentials": "The history starts from a file without Content Credentials.",
    "actions_may_be_incomplete": "Some edits or activity may not have been recorded.",
    "parts_not_covered_by_hash": "Parts of the file are excluded from the signature beyond the usual ones.",
    "revocation_not_checked": "Whether the certificate was revoked was not asked: that needs the network.",
    "assertions_redacted": "Something was removed from the credentials and declared as removed.",
    "product_not_listed": "The signing product is not on the Conforming Products List.",
    "interim_after_freeze": (
        "Only the frozen interim list knows the signer, and the signature or certificate is newer than the freeze."
    ),
    "trust_list_missing": "No trust list is installed, so no signer can be recognised (witnessmark trust update).",
    "trust_list_stale": "The installed official trust list is past its next update (witnessmark trust update).",
}


def signer_name(manifest: Manifest) -> str:
    """Return who signed, as people would say it: the product and the organisation."""
    subject = manifest.certificate.subject
    parts = dict.fromkeys(filter(None, (clean(subject.common_name), clean(subject.organisation))))
    return ", ".join(parts) or "an unnamed signer"


def level_words(level: TrustLevel) -> str:
    """Return which list vouches for a signer."""
    return _LEVEL_WORDS[level]


def verdict_reason(judgement: Judgement, store: Store) -> Reason:
    """Return the verdict as the first reason."""
    speaker = judgement.claims.generated_by or judgement.claims.captured_by or store.active
    text = _VERDICT_TEXTS[judgement.verdict].format(
        signer=signer_name(speaker).rstrip("."), distrust=clean(judgement.distrust_reason)
    )
    if judgement.claims.generator and judgement.verdict in _BY_GENERATOR:
        text += f" Told from the tool, {clean(judgement.claims.generator)}; the file names no source type."
    return Reason(judgement.verdict.value, text)


_BY_GENERATOR = frozenset({C2paVerdict.AI_TRUSTED, C2paVerdict.AI_TRUSTED_INTERIM, C2paVerdict.AI_VALID_UNTRUSTED})


def note_reason(code: str, judgement: Judgement | None = None) -> Reason:
    """Return one of the further reasons."""
    failed = judgement.claims.failed_ingredients if judgement else ()
    names = ", ".join(clean(title, max_characters=80) or "unnamed" for title, _ in failed[:5])
    return Reason(code, _NOTE_TEXTS[code].format(ingredients=names))

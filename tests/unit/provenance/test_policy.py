"""The scoring policy on stores made by hand: what trusted tools could write, in the combinations that matter."""

from typing import Any

import pytest

from detect.provenance import signals, sourcetypes
from detect.provenance.codes import Bucket, bucket_of, sort_failures
from detect.provenance.crjson import read_store
from detect.provenance.policy import C2paVerdict, Judgement, judge
from detect.provenance.reader import Reading, ReadOutcome
from detect.provenance.store import Store
from detect.provenance.trust import TrustLevel, TrustStore

IPTC = sourcetypes.IPTC_BASE
ACTIVE, PARENT = "urn:c2pa:active", "urn:c2pa:parent"


def action(name: str, source_type: str = "", **more: Any) -> dict[str, Any]:
    return {"action": name, **({"digitalSourceType": source_type} if source_type else {}), **more}


def ingredient(label: str | None = PARENT, relationship: str = "parentOf", **more: Any) -> dict[str, Any]:
    link = {"activeManifest": {"url": f"self#jumbf=/c2pa/{label}"}} if label else {}
    return {"relationship": relationship, "dc:title": "part", **link, **more}


def manifest(
    label: str,
    *actions: dict[str, Any],
    parts: tuple[dict[str, Any], ...] = (),
    failure: tuple[str, ...] = (),
    informational: tuple[str, ...] = (),
    generator: str = "Tool/1.0",
    is_complete: bool = True,
    valid_from: str = "2025-01-01T00:00:00+00:00",
    assertions: dict[str, Any] | None = None,
) -> dict[str, Any]:
    held: dict[str, Any] = {"c2pa.actions.v2": {"actions": list(actions), "allActionsIncluded": is_complete}}
    held |= {f"c2pa.ingredient.v3__{number}": part for number, part in enumerate(parts)}
    subject = {"CN": label.rsplit(":", 1)[-1], "O": "Maker"}
    return {
        "label": label,
        "assertions": held | (assertions or {}),
        "claim.v2": {"claim_generator_info": {"name": generator}},
        "signature": {"certificateInfo": {"subject": subject, "validity": {"notBefore": valid_from}}},
        "validationResults": {
            "success": [],
            "failure": [{"code": code} for code in failure],
            "informational": [{"code": code} for code in informational],
        },
    }


CAMERA = manifest(PARENT, action("c2pa.created", IPTC + "digitalCapture"))
GENERATED = manifest(PARENT, action("c2pa.created", IPTC + "trainedAlgorithmicMedia"))
OPENED = action("c2pa.opened")


def decide(
    *manifests: dict[str, Any], trust: TrustLevel | dict[str, TrustLevel] = TrustLevel.OFFICIAL, state: str = "Trusted"
) -> Judgement:
    store = read_store({"manifests": list(manifests)}, state)
    assert isinstance(store, Store)
    levels = trust if isinstance(trust, dict) else {one.label: trust for one in store.manifests}
    return judge(Reading(ReadOutcome.READ, store=store, trust=levels), TrustStore(folder=None))  # type: ignore[arg-type]


def edited(
    *actions: dict[str, Any], parts: tuple[dict[str, Any], ...] = (ingredient(),), **more: Any
) -> dict[str, Any]:
    return manifest(ACTIVE, OPENED, *actions, parts=parts, **more)


@pytest.mark.parametrize(
    ("manifests", "verdict", "llr"),
    [
        ((edited(), CAMERA), C2paVerdict.CAPTURE_TRUSTED, -3.0),
        ((edited(action("c2pa.resized.proportional")), CAMERA), C2paVerdict.CAPTURE_TRUSTED, -3.0),
        ((edited(action("c2pa.cropped")), CAMERA), C2paVerdict.EDITED_NONAI, -1.0),
        ((edited(action("com.vendor.magic")), CAMERA), C2paVerdict.EDITED_NONAI, -1.0),
        ((edited(action("c2pa.edited", IPTC + "composite")), CAMERA), C2paVerdict.SIGNED_NO_ORIGIN, 0.0),
        ((edited(parts=(ingredient(), ingredient(None, "componentOf"))), CAMERA), C2paVerdict.SIGNED_NO_ORIGIN, 0.0),
        ((manifest(ACTIVE, action("c2pa.created", IPTC + "digitalCreation")),), C2paVerdict.EDITED_NONAI, -1.0),
        ((manifest(ACTIVE, action("c2pa.created", IPTC + "screenCapture")),), C2paVerdict.SIGNED_NO_ORIGIN, 0.0),
        ((manifest(ACTIVE),), C2paVerdict.SIGNED_NO_ORIGIN, 0.0),
        ((edited(), GENERATED), C2paVerdict.AI_TRUSTED, 4.595),
        (
            (
                edited(
                    action("c2pa.edited", "HTTPS://cv.iptc.org/newscodes/digitalsourcetype/TRAINEDALGORITHMICMEDIA")
                ),
                CAMERA,
            ),
            C2paVerdict.AI_EDITED,
            0.405,
        ),
        (
            (edited(parts=(ingredient(None, digitalSourceType=IPTC + "trainedAlgorithmicMedia"),)),),
            C2paVerdict.AI_TRUSTED,
            4.595,
        ),
        (
            (manifest(ACTIVE, action("c2pa.created", IPTC + "compositeWithTrainedAlgorithmicMedia")),),
            C2paVerdict.AI_EDITED,
            0.405,
        ),
        ((manifest(ACTIVE, assertions={"c2pa.ai_generated_content": {}}),), C2paVerdict.AI_TRUSTED, 4.595),
        ((manifest(ACTIVE, action("c2pa.created"), generator="Adobe_Firefly"),), C2paVerdict.AI_TRUSTED, 4.595),
        ((edited(generator="ChatGPT"), CAMERA), C2paVerdict.CAPTURE_TRUSTED, -3.0),
        (
            (manifest(ACTIVE, action("c2pa.created", IPTC + "digitalCapture"), generator="ChatGPT"),),
            C2paVerdict.CAPTURE_TRUSTED,
            -3.0,
        ),
        (
            (
                edited(parts=(ingredient(), ingredient(PARENT + "2", "inputTo"))),
                CAMERA,
                GENERATED | {"label": PARENT + "2"},
            ),
            C2paVerdict.CAPTURE_TRUSTED,
            -3.0,
        ),
    ],
    ids=[
        "reopened-capture",
        "resized-capture",
        "cropped",
        "custom-action",
        "possibly-ai",
        "unknown-component",
        "drawing",
        "screenshot",
        "empty",
        "ai-parent",
        "ai-edit-odd-spelling",
        "ai-loose-parent",
        "partly-ai",
        "ai-assertion",
        "known-generator",
        "generator-as-editor",
        "source-type-over-generator",
        "ai-as-input-only",
    ],
)
def test_verdict_and_weight_of_a_trusted_store(
    manifests: tuple[dict[str, Any], ...], verdict: C2paVerdict, llr: float
) -> None:
    found = decide(*manifests)
    assert (found.verdict, round(found.weight.llr, 3)) == (verdict, llr)


def test_the_chain_is_as_trusted_as_its_weakest_signer() -> None:
    levels = {ACTIVE: TrustLevel.OFFICIAL, PARENT: TrustLevel.NONE}
    assert decide(edited(), CAMERA, trust=levels).weight.llr == 0.0
    generated = decide(edited(), GENERATED, trust=levels)
    assert (generated.verdict, generated.weight.floor) == (C2paVerdict.AI_VALID_UNTRUSTED, 0.90)


def test_interim_trust_weighs_less_and_ends_with_the_freeze() -> None:
    assert decide(edited(), CAMERA, trust=TrustLevel.INTERIM_FROZEN).weight.llr == -2.0
    late = CAMERA | {"signature": {"certificateInfo": {"validity": {"notBefore": "2026-02-01T00:00:00+00:00"}}}}
    assert decide(edited(), late, trust=TrustLevel.INTERIM_FROZEN).weight.llr == 0.0


@pytest.mark.parametrize(
    ("failure", "verdict", "ai_llr"),
    [
        ("assertion.dataHash.mismatch", C2paVerdict.INVALID, 0.0),
        ("claimSignature.mismatch", C2paVerdict.INVALID, 0.0),
        ("claim.cbor.invalid", C2paVerdict.MALFORMED, 2.0),
        ("signingCredential.invalid", C2paVerdict.MALFORMED, 2.0),
        ("signingCredential.ocsp.revoked", C2paVerdict.REVOKED, 2.0),
        ("signingCredential.expired", C2paVerdict.EXPIRED, 2.0),
    ],
)
def test_a_broken_active_manifest_voids_captures_and_never_accuses_by_itself(
    failure: str, verdict: C2paVerdict, ai_llr: float
) -> None:
    camera = manifest(ACTIVE, action("c2pa.created", IPTC + "digitalCapture"), failure=(failure,))
    found = decide(camera, trust=TrustLevel.OFFICIAL, state="Invalid")
    assert (found.verdict, found.weight.llr, found.weight.floor) == (verdict, 0.0, None)
    generated = manifest(ACTIVE, action("c2pa.created", IPTC + "trainedAlgorithmicMedia"), failure=(failure,))
    assert decide(generated, state="Invalid").weight.llr == ai_llr


def test_identity_codes_never_decide() -> None:
    camera = manifest(ACTIVE, action("c2pa.created", IPTC + "digitalCapture"), failure=("cawg.ica.did_unavailable",))
    assert decide(camera, state="Invalid").verdict is C2paVerdict.CAPTURE_TRUSTED


def test_an_invalid_state_without_a_known_code_is_not_believed() -> None:
    assert decide(edited(), CAMERA, state="Invalid").verdict is C2paVerdict.MALFORMED


def test_trust_codes_stored_inside_an_ingredient_do_not_count() -> None:
    stored = {"validationResults": {"activeManifest": {"failure": [{"code": "signingCredential.untrusted"}]}}}
    assert decide(edited(parts=(ingredient(**stored),)), CAMERA).weight.llr == -3.0
    old = {"validationStatus": [{"code": "assertion.dataHash.mismatch"}, {"code": "claimSignature.validated"}]}
    assert decide(edited(parts=(ingredient(**old),)), CAMERA).verdict is C2paVerdict.INGREDIENT_FAILED


def test_a_store_that_refers_to_itself_ends() -> None:
    looped = manifest(ACTIVE, OPENED, parts=(ingredient(ACTIVE), ingredient(ACTIVE, "componentOf")))
    assert decide(looped).verdict is C2paVerdict.SIGNED_NO_ORIGIN


def test_exclusions_and_redactions_are_said() -> None:
    camera = manifest(
        ACTIVE,
        action("c2pa.created", IPTC + "digitalCapture"),
        informational=("assertion.bmffHash.additionalExclusionsPresent",),
    )
    camera["claim.v2"]["redacted_assertions"] = ["self#jumbf=x"]
    assert {"parts_not_covered_by_hash", "assertions_redacted"} <= set(decide(camera).notes)


@pytest.mark.parametrize(
    ("code", "bucket"),
    [
        ("claim.missing", Bucket.NOT_WELL_FORMED),
        ("manifest.update.wrongParents", Bucket.NOT_WELL_FORMED),
        ("assertion.boxesHash.unknownBox", Bucket.NOT_WELL_FORMED),
        ("assertion.bmffHash.mismatch", Bucket.NOT_VALID),
        ("ingredient.claimSignature.missing", Bucket.NOT_VALID),
        ("claimSignature.mismatch", Bucket.NOT_VALID),
        ("assertion.someNewHash.mismatch", Bucket.NOT_VALID),
        ("signingCredential.untrusted", Bucket.NOT_TRUSTED),
        ("timeStamp.untrusted", Bucket.NOT_TRUSTED),
        ("timeStamp.mismatch", Bucket.NOT_TRUSTED),
        ("general.error", Bucket.NOT_TRUSTED),
        ("cawg.ica.did_unavailable", None),
    ],
)
def test_codes_fall_into_the_official_buckets(code: str, bucket: Bucket | None) -> None:
    assert bucket_of(code) is bucket
    assert sort_failures([code, code]) == {one.value: ([code] if one is bucket else []) for one in Bucket}


@pytest.mark.parametrize(
    ("manifest_data", "expected"),
    [
        (manifest(ACTIVE, action("c2pa.created", sourcetypes.C2PA_BASE + "empty")), {"blankCanvas"}),
        (manifest(ACTIVE, action("c2pa.created", IPTC + "digitalCapture")), {"capturedMedia"}),
        (manifest(ACTIVE, action("c2pa.created", IPTC + "computationalCapture")), {"capturedMedia"}),
        (manifest(ACTIVE, action("c2pa.created", IPTC + "compositeCapture")), {"capturedMediaStitched"}),
        (manifest(ACTIVE, action("c2pa.created", IPTC + "composite")), {"compositionMayContainGenAI"}),
        (manifest(ACTIVE, action("c2pa.opened", IPTC + "trainedAlgorithmicMedia")), {"fullyGenAIMedia"}),
        (manifest(ACTIVE, action("c2pa.created", IPTC + "digitalCreation")), {"nonGenAIDigitalCreation"}),
        (
            manifest(ACTIVE, action("c2pa.created", IPTC + "compositeWithTrainedAlgorithmicMedia")),
            {"partlyGenAICreation"},
        ),
        (manifest(ACTIVE, action("c2pa.created", IPTC + "screenCapture")), {"screenCaptureMayContainGenAI"}),
        (edited(parts=(ingredient(None),)), {"mediaUnknownProvenance"}),
        (edited(action("c2pa.transcoded")), {"nonEditorial"}),
        (edited(action("c2pa.edited", IPTC + "compositeSynthetic")), {"perceptibleGenAI"}),
        (edited(action("c2pa.edited", IPTC + "digitalArt")), {"perceptiblePossiblyGenAI", "perceptibleNonGenAI"}),
        (edited(action("c2pa.drawing", IPTC + "humanEdits")), {"perceptibleNonGenAI"}),
        (edited(action("c2pa.cropped")), set()),
        (edited(action("c2pa.unknown")), {"ambiguousActions"}),
        (edited(action("com.vendor.magic")), {"ambiguousActions"}),
        (edited(is_complete=False), {"ambiguousActions"}),
        (manifest(ACTIVE), {"ambiguousActions"}),
    ],
)
def test_the_signals_rubric(manifest_data: dict[str, Any], expected: set[str]) -> None:
    store = read_store({"manifests": [manifest_data]}, "Valid")
    assert store is not None
    assert signals.evaluate(store.active) == expected


def test_actions_that_the_signer_does_not_vouch_for_are_ambiguous() -> None:
    data = manifest(ACTIVE, action("c2pa.created", IPTC + "digitalCapture"))
    data["claim.v2"]["gathered_assertions"] = [{"url": "self#jumbf=c2pa.assertions/c2pa.actions.v2"}]
    store = read_store({"manifests": [data]}, "Valid")
    assert store is not None
    assert "ambiguousActions" in signals.evaluate(store.active)


@pytest.mark.parametrize(
    "garbage",
    [
        {"manifests": [{}]},
        {"manifests": [{"label": 5, "assertions": [], "claim": "x", "signature": None, "validationResults": 3}]},
        {"manifests": [{"label": ACTIVE, "assertions": {"c2pa.actions": {"actions": [None, 1, {"action": []}]}}}]},
        {"manifests": [{"label": ACTIVE, "assertions": {"c2pa.ingredient": "x", "c2pa.actions.v2": []}}]},
    ],
)
def test_garbage_in_a_store_is_survived(garbage: dict[str, Any]) -> None:
    store = read_store(garbage, "Valid")
    assert store is not None
    found = judge(Reading(ReadOutcome.READ, store=store), TrustStore(folder=None))  # type: ignore[arg-type]
    assert found.weight.llr == 0.0


def test_no_manifest_is_no_store() -> None:
    assert read_store({"manifests": []}, "Valid") is None
    assert read_store({"manifests": "x"}, "Valid") is None

"""Nine formats in seven states, and the states in which "Trusted" alone misleads."""

from pathlib import Path

import pytest

from detect.types import Evidence, Finding, Status
from tests.unit.provenance.conftest import Examine
from tests.unit.provenance.samples import MIME

SOURCE = "provenance.c2pa"

# state: (status, first reason, llr, floor, finding)
BASIC = {
    "none": (Status.NOT_APPLICABLE, "no_c2pa_manifest", 0.0, None, Finding.SYNTHETIC),
    "camera": (Status.SCORED, "c2pa_capture_trusted", -3.0, 0.02, Finding.SYNTHETIC),
    "ai": (Status.SCORED, "c2pa_ai_trusted", 4.595, 0.99, Finding.SYNTHETIC),
    "chain": (Status.SCORED, "c2pa_ai_edited", 0.405, 0.6, Finding.MANIPULATED),
    "tampered": (Status.SCORED, "c2pa_invalid", 0.0, None, Finding.SYNTHETIC),
    "untrusted": (Status.SCORED, "c2pa_capture_untrusted", 0.0, None, Finding.SYNTHETIC),
}
SPECIAL = {
    "tampered_assertion.jpg": ("c2pa_invalid", 0.0, None),
    "tampered_claim.jpg": ("c2pa_invalid", 0.0, None),
    "transplanted.jpg": ("c2pa_invalid", 0.0, None),
    "stripped.jpg": ("no_c2pa_manifest", 0.0, None),
    "bad_parent.jpg": ("c2pa_ingredient_failed", 0.0, None),
    "ai_component.jpg": ("c2pa_ai_edited", 0.405, 0.6),
    "edited.jpg": ("c2pa_edited_nonai", -1.0, 0.02),
    "untrusted_parent.jpg": ("c2pa_capture_untrusted", 0.0, None),
    "unknown_parent.jpg": ("c2pa_signed_no_origin", 0.0, None),
    "ai_parent.jpg": ("c2pa_ai_trusted", 4.595, 0.99),
    "untrusted_ai.jpg": ("c2pa_ai_valid_untrusted", 2.197, 0.90),
    "old_generator.jpg": ("c2pa_ai_trusted", 4.595, 0.99),
}


def codes(evidence: Evidence) -> list[str]:
    return [reason.code for reason in evidence.reasons]


@pytest.mark.parametrize("suffix", MIME)
@pytest.mark.parametrize("state", BASIC)
def test_each_format_in_each_state_has_its_verdict(
    states: dict[str, Path], look: Examine, suffix: str, state: str
) -> None:
    status, code, llr, floor, finding = BASIC[state]
    found = look(states[f"{state}.{suffix}"])[SOURCE]
    assert (found.status, found.reasons[0].code, found.finding) == (status, code, finding)
    assert found.llr == pytest.approx(llr, abs=0.001)
    assert found.p_synthetic_floor == floor
    assert found.p_synthetic_ceiling is None


@pytest.mark.parametrize("suffix", MIME)
def test_a_truncated_file_is_unreadable_or_tampered_and_weighs_nothing(
    states: dict[str, Path], look: Examine, suffix: str
) -> None:
    found = look(states[f"truncated.{suffix}"])[SOURCE]
    assert found.llr == 0.0
    assert found.p_synthetic_floor is None
    assert found.reasons[0].code in ("c2pa_invalid", "c2pa_unreadable", "c2pa_container_unreadable")


@pytest.mark.parametrize("name", SPECIAL)
def test_special_states_have_their_verdict(states: dict[str, Path], look: Examine, name: str) -> None:
    code, llr, floor = SPECIAL[name]
    found = look(states[name])[SOURCE]
    assert found.reasons[0].code == code
    assert found.llr == pytest.approx(llr, abs=0.001)
    assert found.p_synthetic_floor == floor


@pytest.mark.parametrize("name", ["tampered.jpg", "tampered_assertion.jpg", "tampered_claim.jpg", "transplanted.jpg"])
def test_a_tampered_manifest_says_so_and_shows_no_claim_as_a_fact(
    states: dict[str, Path], look: Examine, name: str
) -> None:
    found = look(states[name])[SOURCE]
    assert "manifest_tampered" in codes(found)
    assert not found.details["is_capture_claim"]
    assert "l3" not in found.details["levels"]
    assert "disregarded" in found.details["levels"]["l2"]["note"]


def test_a_broken_parent_is_named_although_the_library_says_trusted(states: dict[str, Path], look: Examine) -> None:
    found = look(states["bad_parent.jpg"])[SOURCE]
    assert found.details["state"] == "trusted"
    assert "ingredient_tampered" in codes(found)
    assert "changed" in next(reason.text for reason in found.reasons if reason.code == "ingredient_tampered")


def test_ai_that_sits_only_in_an_ingredient_is_found(states: dict[str, Path], look: Examine) -> None:
    found = look(states["ai_component.jpg"])[SOURCE]
    assert found.details["state"] == "trusted"
    assert found.details["ai_parts"] == ["component"]
    assert found.details["is_ai_edited"]


def test_an_expired_certificate_without_a_time_stamp_voids_the_capture(expired_state: Path, look: Examine) -> None:
    found = look(expired_state)[SOURCE]
    assert found.reasons[0].code == "c2pa_expired"
    assert found.llr == 0.0


def test_without_any_list_a_camera_weighs_nothing_and_the_answer_says_why(
    states: dict[str, Path], look: Examine, no_installed_trust: Path
) -> None:
    found = look(states["camera.jpg"], trust=None)[SOURCE]
    assert found.reasons[0].code == "c2pa_capture_untrusted"
    assert "trust_list_missing" in codes(found)
    assert found.llr == 0.0


def test_the_format_comes_from_the_caller_and_never_from_the_name(
    states: dict[str, Path], look: Examine, tmp_path: Path
) -> None:
    renamed = tmp_path / "camera.png"
    renamed.write_bytes(states["camera.jpg"].read_bytes())
    assert look(renamed)[SOURCE].reasons[0].code == "c2pa_capture_trusted"


def test_reading_twice_gives_the_same_evidence(states: dict[str, Path], look: Examine) -> None:
    for name in ("camera.jpg", "chain.png", "tampered.mp4", "none.wav"):
        assert look(states[name]) == look(states[name])


def test_levels_go_from_a_label_to_certificates(states: dict[str, Path], look: Examine) -> None:
    levels = look(states["chain.jpg"])[SOURCE].details["levels"]
    assert levels["l1"] == {"content_credentials": "present", "label": "AI-edited"}
    assert levels["l2"]["signed_by"] == "Test Photo Editor, Test Editor Vendor"
    assert levels["l2"]["ingredients"] == ["capture (parentOf)"]
    parent = levels["l3"]["ingredients"][0]["manifest"]
    assert parent["signals"] == ["capturedMedia"]
    assert parent["trust"] == "official"
    certificates = levels["l4"]["manifests"]
    assert len(certificates) == 2
    assert certificates[0]["failures"] == {"not_well_formed": [], "not_valid": [], "not_trusted": []}

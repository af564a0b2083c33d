"""Trust lists: installed from what one has, told apart, and never silently losing an anchor."""

import base64
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from detect.errors import ConfigError
from detect.provenance.pem import certificate_blocks, join_blocks
from detect.provenance.signers import find_distrust, find_product
from detect.provenance.store import Certificate, Name
from detect.provenance.trust import ListState, TrustLevel, load_trust
from detect.provenance.trust_install import download, install_from
from detect.types import Evidence
from tests.unit.provenance.conftest import Examine
from tests.unit.provenance.pki import NOW, Pki

NIKON = Certificate(Name("NIKON Z6_3", "Nikon Corporation"), valid_from="2025-08-27T00:00:00+00:00")


def der(pem: str) -> str:
    return "".join(pem.split("-----")[2].split())


def official_json(*pems: str, status: str = "trusted", title: str = "C2PA Trust List", due: str = "") -> str:
    entities = [
        {
            "TrustedEntityServices": [
                {
                    "ServiceInformation": {
                        "ServiceStatus": f"http://c2pa.org/conformance/trust-list/{status}",
                        "ServiceDigitalIdentity": {"X509Certificates": [{"val": der(pem)}]},
                    }
                }
            ]
        }
        for pem in pems
    ]
    about = {
        "SchemeName": [{"lang": "en", "value": title}],
        "ListIssueDateTime": "2026-01-01T00:00:00Z",
        "NextUpdate": due or (NOW + dt.timedelta(days=90)).isoformat(),
    }
    return json.dumps({"LoTE": {"ListAndSchemeInformation": about, "TrustedEntitiesList": entities}})


def install(text: str, folder: Path, tmp_path: Path, file_name: str = "list.json", name: str | None = None) -> None:
    (tmp_path / file_name).write_text(text)
    install_from(str(tmp_path / file_name), folder=folder, name=name, now=NOW)


def first(found: dict[str, Evidence]) -> str:
    return found["provenance.c2pa"].reasons[0].code


def test_pem_files_without_a_final_newline_lose_no_anchor(pki: Pki) -> None:
    texts = [pki.foreign_root.pem.rstrip("\n"), pki.root.pem.rstrip("\n")]
    assert len(certificate_blocks("".join(texts))) == 2
    joined = join_blocks(*(certificate_blocks(text) for text in texts))
    assert joined == pki.foreign_root.pem + pki.root.pem


def test_the_second_of_two_joined_files_is_still_trusted(
    pki: Pki, states: dict[str, Path], look: Examine, tmp_path: Path
) -> None:
    folder = tmp_path / "trust"
    install(pki.foreign_root.pem.rstrip("\n") + pki.root.pem.rstrip("\n"), folder, tmp_path, "roots.pem")
    assert first(look(states["camera.jpg"], trust=folder)) == "c2pa_capture_trusted"


def test_the_answer_tells_which_list_vouched(pki: Pki, states: dict[str, Path], look: Examine, tmp_path: Path) -> None:
    def level(name: str) -> str:
        folder = tmp_path / name
        install(pki.root.pem, folder, tmp_path, "root.pem", name=name)
        return str(look(states["camera.jpg"], trust=folder)["provenance.c2pa"].details["trust_list"])

    assert level("official") == "official"
    assert level("custom") == "custom"


def test_the_best_of_several_lists_is_named(pki: Pki, states: dict[str, Path], look: Examine, tmp_path: Path) -> None:
    folder = tmp_path / "all"
    for name in ("interim_frozen", "custom", "official"):
        install(pki.root.pem, folder, tmp_path, "root.pem", name=name)
        found = look(states["ai.jpg"], trust=folder)["provenance.c2pa"]
        assert found.details["trust_list"] == name


def test_the_frozen_interim_list_does_not_vouch_for_captures_after_its_freeze(
    pki: Pki, states: dict[str, Path], look: Examine, tmp_path: Path
) -> None:
    folder = tmp_path / "interim"
    install(pki.root.pem, folder, tmp_path, "root.pem", name="interim_frozen")
    capture = look(states["camera.jpg"], trust=folder)["provenance.c2pa"]
    assert (first({"provenance.c2pa": capture}), capture.llr) == ("c2pa_capture_untrusted", 0.0)
    assert "interim_after_freeze" in [reason.code for reason in capture.reasons]
    ai = look(states["ai.jpg"], trust=folder)["provenance.c2pa"]
    assert (first({"provenance.c2pa": ai}), ai.p_synthetic_floor) == ("c2pa_ai_trusted_interim", 0.97)


def test_the_official_json_is_read_with_its_dates(
    pki: Pki, states: dict[str, Path], look: Examine, tmp_path: Path
) -> None:
    folder = tmp_path / "trust"
    install(official_json(pki.root.pem), folder, tmp_path)
    official = next(item for item in load_trust(folder).status(NOW) if item.name == "official")
    assert (official.state, official.entries) == (ListState.CURRENT, 1)
    assert first(look(states["camera.jpg"], trust=folder)) == "c2pa_capture_trusted"


def test_a_withdrawn_service_of_the_official_list_is_left_out(pki: Pki, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        install(official_json(pki.root.pem, status="withdrawn"), tmp_path / "trust", tmp_path)


def test_a_list_past_its_update_is_used_and_called_stale(
    pki: Pki, states: dict[str, Path], look: Examine, tmp_path: Path
) -> None:
    folder = tmp_path / "trust"
    install(official_json(pki.root.pem, due="2026-02-01T00:00:00Z"), folder, tmp_path)
    found = look(states["camera.jpg"], trust=folder, now=dt.datetime(2026, 3, 1, tzinfo=dt.UTC))["provenance.c2pa"]
    assert "trust_list_stale" in [reason.code for reason in found.reasons]
    fresh = look(states["camera.jpg"], trust=folder, now=dt.datetime(2026, 1, 15, tzinfo=dt.UTC))["provenance.c2pa"]
    assert "trust_list_stale" not in [reason.code for reason in fresh.reasons]


def test_a_folder_is_installed_list_by_list(pki: Pki, tmp_path: Path) -> None:
    source = tmp_path / "lists"
    source.mkdir()
    (source / "C2PA-TRUST-LIST.json").write_text(official_json(pki.root.pem))
    (source / "C2PA-TRUST-LIST.pem").write_text(pki.root.pem)
    (source / "C2PA-TSA-TRUST-LIST.json").write_text(official_json(pki.intermediate.pem, title="C2PA TSA Trust List"))
    (source / "allowed.pem").write_text(pki.foreign_root.pem)
    (source / "anchors.pem").write_text("## This interim trust list is now frozen.\n" + pki.foreign_root.pem)
    (source / "mine.pem").write_text(pki.time_stamper.pem)
    done = install_from(str(source), folder=tmp_path / "trust", now=NOW)
    assert sorted(item.name for item in done) == ["custom", "interim_frozen", "official", "official_tsa"]
    official = next(item for item in load_trust(tmp_path / "trust").status(NOW) if item.name == "official")
    assert official.state is ListState.CURRENT  # the JSON, not the PEM without dates


@pytest.mark.parametrize(
    "text", ["", "not a list", "{}", "[]", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"]
)
def test_what_is_no_list_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        install(text, tmp_path / "trust", tmp_path)
    assert not (tmp_path / "trust" / "index.json").exists()


def test_lists_are_fetched_over_https_only() -> None:
    with pytest.raises(ConfigError, match="https"):
        download("http://example.org/list.json")
    with pytest.raises(ConfigError, match="https"):
        download("file:///etc/passwd")


def test_a_broken_installed_list_counts_as_none(states: dict[str, Path], look: Examine, tmp_path: Path) -> None:
    folder = tmp_path / "trust"
    folder.mkdir()
    (folder / "official.pem").write_bytes(b"\xff\x00 garbage")
    (folder / "products.json").write_text("{broken")
    (folder / "distrust.json").write_text("[1, 2]")
    found = look(states["camera.jpg"], trust=folder)
    assert first(found) == "c2pa_capture_untrusted"


def test_a_changed_list_is_read_anew(pki: Pki, tmp_path: Path) -> None:
    folder = tmp_path / "trust"
    install(pki.root.pem, folder, tmp_path, "root.pem", name="custom")
    assert load_trust(folder).levels() == (TrustLevel.CUSTOM,)
    install(pki.root.pem + pki.foreign_root.pem, folder, tmp_path, "roots.pem", name="custom")
    assert len(load_trust(folder).anchors["custom"]) == 2


def test_a_distrusted_signer_voids_the_capture_and_the_reason_is_shown(
    pki: Pki, states: dict[str, Path], look: Examine, tmp_path: Path
) -> None:
    folder = tmp_path / "trust"
    install(pki.root.pem, folder, tmp_path, "root.pem", name="official")
    entry = {"subject_organisation": "^test camera", "reason": "stolen key"}
    install(json.dumps({"distrusted": [entry]}), folder, tmp_path, "mine.json")
    found = look(states["camera.jpg"], trust=folder)["provenance.c2pa"]
    assert (found.reasons[0].code, found.llr, found.p_synthetic_floor) == ("c2pa_distrusted_signer", 0.0, None)
    assert "stolen key" in found.reasons[0].text
    edited = look(states["edited.jpg"], trust=folder)["provenance.c2pa"]
    assert edited.reasons[0].code == "c2pa_distrusted_signer"  # the camera is only the parent there


def test_the_revoked_nikon_certificates_are_distrusted_from_the_start(tmp_path: Path) -> None:
    entries = load_trust(tmp_path).distrusted
    assert find_distrust(NIKON, entries) is not None
    later = Certificate(NIKON.subject, valid_from="2026-01-01T00:00:00+00:00")
    assert find_distrust(later, entries) is None
    other = Certificate(Name("NIKON Z9", "Nikon Corporation"), valid_from=NIKON.valid_from)
    assert find_distrust(other, entries) is None


@pytest.mark.parametrize(
    ("serials", "is_found"),
    [(["1f"], True), ([["10", "20"]], True), (["1e"], False), (["zz"], False), ([["20", "30"]], False)],
)
def test_serial_numbers_are_matched_singly_or_in_ranges(serials: list[Any], is_found: bool) -> None:
    certificate = Certificate(serial="1f")
    assert (find_distrust(certificate, [{"serials": serials}]) is not None) is is_found


def test_an_entry_without_any_test_distrusts_nobody() -> None:
    assert find_distrust(NIKON, [{"reason": "no test"}, {"subject_organisation": "("}]) is None


def product(common_name: str, level: int = 1, status: str = "conformant", **more: Any) -> dict[str, Any]:
    names = {"CN": common_name, "O": "Test Camera Maker", "OU": more.pop("unit", ""), "C": "US"}
    return {"status": status, "product": {"DN": names, "assurance": {"maxAssuranceLevel": level}, **more}}


@pytest.mark.parametrize(
    ("record", "code", "llr"),
    [
        (product("Test Camera X"), "c2pa_capture_trusted", -3.0),
        (product("Test Camera X", level=2), "c2pa_capture_trusted", -4.0),
        (product("Another camera"), "c2pa_capture_trusted", -2.0),
        (product("Test Camera X", status="revoked"), "c2pa_distrusted_signer", 0.0),
        (
            product("Test Camera X", disallowedSignals={"inception": ["capturedMedia"], "transformation": []}),
            "c2pa_disallowed_claim",
            0.0,
        ),
    ],
    ids=["listed", "assured", "not-listed", "revoked", "disallowed"],
)
def test_the_conforming_products_list_bears_on_captures(
    pki: Pki, states: dict[str, Path], look: Examine, tmp_path: Path, record: dict[str, Any], code: str, llr: float
) -> None:
    folder = tmp_path / "trust"
    install(pki.root.pem, folder, tmp_path, "root.pem", name="official")
    install(json.dumps([record]), folder, tmp_path, "products.json")
    found = look(states["camera.jpg"], trust=folder)["provenance.c2pa"]
    assert (found.reasons[0].code, found.llr) == (code, llr)


def test_of_several_records_of_a_product_the_right_unit_or_the_strictest_counts() -> None:
    certificate = Certificate(Name("Test Camera X", "Test Camera Maker", unit="Android"))
    records = [product("Test Camera X", level=2), product("Test Camera X", level=1, unit="Android")]
    found = find_product(certificate, records)
    assert found is not None
    assert found.assurance_level == 1
    assert find_product(Certificate(Name("x", "y")), [*records, {"product": None}, {}]) is None


def test_a_distrusted_generator_still_speaks_against_itself(
    pki: Pki, states: dict[str, Path], look: Examine, tmp_path: Path
) -> None:
    folder = tmp_path / "trust"
    install(pki.root.pem, folder, tmp_path, "root.pem", name="official")
    install(json.dumps({"distrusted": [{"subject_common_name": "generator"}]}), folder, tmp_path, "mine.json")
    found = look(states["ai.jpg"], trust=folder)["provenance.c2pa"]
    assert (found.reasons[0].code, found.llr, found.p_synthetic_floor) == ("c2pa_distrusted_signer", 2.0, None)


def test_der_round_trip_of_the_official_json(pki: Pki) -> None:
    assert base64.b64decode(der(pki.root.pem))[:1] == b"\x30"

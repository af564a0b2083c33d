"""A Report inside a signed copy of its file: attached, read back, and found out when changed."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from detect.errors import ConfigError, ProvenanceError
from detect.provenance import ProvenanceSettings
from detect.provenance.signing import Credentials, read_report, sign_report
from detect.provenance.trust import TrustLevel
from detect.serialize import report_from_dict, report_to_dict
from detect.types import MediaFacts, MediaKind, Report, Verdict
from tests.unit.provenance.conftest import Examine
from tests.unit.provenance.pki import Pki, Signer
from tests.unit.provenance.samples import FORMATS, MIME
from tests.unit.provenance.states import flip_media_byte, replace_once


@pytest.fixture(scope="module")
def newsroom(pki: Pki) -> Signer:
    return pki.leaf("Verification Desk", "Daily Test")


@pytest.fixture
def credentials(newsroom: Signer) -> Credentials:
    return Credentials(newsroom.chain_pem.encode(), newsroom.key_pem.encode())


def report_of(path: Path) -> dict[str, Any]:
    import hashlib

    data = path.read_bytes()
    facts = MediaFacts(path.name, hashlib.sha256(data).hexdigest(), len(data), MediaKind.IMAGE, "jpeg", "image/jpeg")
    return report_to_dict(Report(Verdict.INCONCLUSIVE, 0.5, facts, path=path.name))


@pytest.fixture
def sign(states: dict[str, Path], credentials: Credentials, tmp_path: Path):
    def run(name: str, **options: Any) -> Path:
        source = states[name]
        target = tmp_path / f"out{source.suffix if not options.get('is_sidecar') else '.c2pa'}"
        given = {
            "report": report_of(source),
            "format": FORMATS[source.suffix[1:]],
            "credentials": credentials,
        } | options
        report = given.pop("report")
        sign_report(source, report, target, **given)
        return target

    return run


def read(path: Path, trust_dir: Path, **options: Any):
    settings = ProvenanceSettings(trust_dir=trust_dir)
    return read_report(path, format=FORMATS.get(path.suffix[1:], path.suffix[1:]), settings=settings, **options)


@pytest.mark.parametrize("suffix", MIME)
def test_a_report_is_attached_and_read_back(sign, states: dict[str, Path], trust_dir: Path, suffix: str) -> None:
    source = states[f"none.{suffix}"]
    before = source.read_bytes()
    found = read(sign(source.name), trust_dir)
    assert found is not None
    assert (found.is_intact, found.trust, found.failures) == (True, TrustLevel.OFFICIAL, ())
    assert found.signed_by == "Verification Desk, Daily Test"
    assert report_from_dict(found.report) == report_from_dict(report_of(source))
    assert source.read_bytes() == before


def test_the_cameras_own_credentials_stay_inside_and_still_count(sign, look: Examine) -> None:
    found = look(sign("camera.jpg"))["provenance.c2pa"]
    assert (found.reasons[0].code, found.llr) == ("c2pa_capture_trusted", -3.0)
    assert found.details["manifests"] == 2


def test_a_signed_report_on_an_unsigned_file_says_nothing_about_its_origin(sign, look: Examine) -> None:
    found = look(sign("none.jpg"))["provenance.c2pa"]
    assert (found.reasons[0].code, found.llr) == ("c2pa_signed_no_origin", 0.0)


def test_a_changed_report_and_a_changed_picture_are_found_out(
    sign, states: dict[str, Path], trust_dir: Path, tmp_path: Path
) -> None:
    signed = sign("none.jpg").read_bytes()
    changed = {
        "report.jpg": replace_once(signed, b"inconclusive", b"likely_synth"),
        "picture.jpg": flip_media_byte(states["none.jpg"].read_bytes(), signed),
    }
    for name, data in changed.items():
        (tmp_path / name).write_bytes(data)
        found = read(tmp_path / name, trust_dir)
        assert found is not None
        assert not found.is_intact


def test_a_sidecar_leaves_the_file_alone_and_describes_it(sign, states: dict[str, Path], trust_dir: Path) -> None:
    sidecar = sign("none.jpg", is_sidecar=True)
    found = read(states["none.jpg"], trust_dir, sidecar=sidecar)
    assert found is not None
    assert found.is_intact
    other = read(states["stripped.jpg"], trust_dir, sidecar=sidecar)
    assert other is not None
    assert not other.is_intact


def test_a_file_without_a_report_has_none(states: dict[str, Path], trust_dir: Path) -> None:
    assert read(states["camera.jpg"], trust_dir) is None
    assert read(states["none.jpg"], trust_dir) is None


def test_a_report_of_an_earlier_state_is_not_called_intact(
    sign, states: dict[str, Path], trust_dir: Path, signers, tmp_path: Path
) -> None:
    from tests.unit.provenance.states import FILLED, Part
    from tests.unit.provenance.states import sign as sign_again

    first = sign("none.jpg").read_bytes()
    later = tmp_path / "later.jpg"
    later.write_bytes(
        sign_again(first, "image/jpeg", FILLED, signers.editor, parts=(Part(first, "image/jpeg", "x"),))[0]
    )
    found = read(later, trust_dir)
    assert found is not None
    assert not found.is_intact


def test_what_cannot_be_signed_is_refused_with_the_reason(
    sign, states: dict[str, Path], credentials: Credentials, newsroom: Signer, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="another file"):
        sign("none.jpg", report=report_of(states["none.png"]))
    with pytest.raises(ConfigError, match="cannot carry"):
        sign("none.jpg", format="ogg")
    with pytest.raises(ConfigError, match="sidecar"):
        sign("camera.jpg", is_sidecar=True)
    with pytest.raises(ConfigError, match="private key"):
        sign("none.jpg", credentials=Credentials(credentials.chain_pem, b"nonsense"))
    with pytest.raises(ConfigError, match="certificate"):
        sign("none.jpg", credentials=Credentials(b"nonsense", credentials.key_pem))
    assert list(tmp_path.iterdir()) == []
    sign("none.jpg")
    with pytest.raises(ConfigError, match="exists"):
        sign("none.jpg")


def test_an_encrypted_key_needs_its_password(sign, newsroom: Signer, credentials: Credentials) -> None:
    key = serialization.load_pem_private_key(credentials.key_pem, None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    with pytest.raises(ConfigError, match="private key"):
        sign("none.jpg", credentials=Credentials(credentials.chain_pem, locked))
    sign("none.jpg", credentials=Credentials(credentials.chain_pem, locked, b"secret"))


def test_key_and_certificate_must_belong_together(sign, pki: Pki, credentials: Credentials, trust_dir: Path) -> None:
    other = pki.leaf("Other", "Other").key_pem.encode()
    try:
        found = read(sign("none.jpg", credentials=Credentials(credentials.chain_pem, other)), trust_dir)
    except ProvenanceError:
        return
    assert found is not None
    assert not found.is_intact


def test_the_report_is_json_a_reader_of_any_language_can_use(sign, trust_dir: Path) -> None:
    found = read(sign("none.jpg"), trust_dir)
    assert found is not None
    assert json.loads(json.dumps(found.report))["verdict"] == "inconclusive"

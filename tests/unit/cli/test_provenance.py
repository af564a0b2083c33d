"""The commands provenance, trust, known and sign-report, as a user calls them."""

import json
from pathlib import Path

import pytest
from PIL import Image

from detect.cli.app import run
from detect.serialize import report_to_dict
from detect.types import MediaFacts, MediaKind, Report, Verdict
from tests.unit.provenance import unsigned
from tests.unit.provenance.pki import Pki
from tests.unit.provenance.samples import encode_picture, make_picture, make_scene
from tests.unit.provenance.states import CAMERA, flip_media_byte, sign


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user whose data folder is empty, in a folder of their own."""
    monkeypatch.delenv("WITNESSMARK_TRUST_DIR", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def photo(home: Path, pki: Pki) -> Path:
    """`photo.jpg`, signed by a camera; `plain.jpg` and `changed.jpg` lie beside it."""
    plain = encode_picture(make_picture(), "JPEG", quality=90)
    signed = sign(plain, "image/jpeg", CAMERA, pki.leaf("Test Camera X", "Test Camera Maker"))[0]
    (home / "plain.jpg").write_bytes(plain)
    (home / "photo.jpg").write_bytes(signed)
    (home / "changed.jpg").write_bytes(flip_media_byte(plain, signed))
    (home / "root.pem").write_text(pki.root.pem)
    return home / "photo.jpg"


def test_provenance_says_in_words_who_signed_and_what_cannot_be_checked(
    photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["trust", "update", "root.pem"]) == 0
    assert run(["provenance", "photo.jpg"]) == 0
    out = capsys.readouterr().out
    assert "Signed at capture by Test Camera X, Test Camera Maker" in out
    assert "[c2pa_capture_trusted]" in out
    assert "Cannot be checked here: SynthID" in out


def test_provenance_of_a_plain_picture_is_neutral_and_of_a_changed_one_no_accusation(
    photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["provenance", "plain.jpg", "changed.jpg"]) == 0
    out = capsys.readouterr().out
    assert "nothing found, which is neutral" in out
    assert "does not mean that the content is fake" in out
    assert "found, counts for nothing either way" in out


def test_provenance_as_json_is_one_object_a_line_in_the_order_given(
    photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photo.parent / "ai.png").write_bytes(unsigned.png_with_text({"parameters": unsigned.PARAMETERS}))
    assert run(["provenance", "--json", "ai.png", "missing.jpg", "photo.jpg"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["path"] for line in lines] == ["ai.png", "missing.jpg", "photo.jpg"]
    assert lines[0]["disclosures"]["eu_art50"]["marking"] == "unsigned_metadata"
    assert lines[1]["error"]["code"] == "media_unreadable"
    assert lines[2]["evidence"][0]["details"]["levels"]["l1"]["content_credentials"] == "present, signer not recognised"


def test_deeper_levels_show_more(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lengths = []
    for level in ("1", "2", "3", "4"):
        run(["provenance", "--level", level, "photo.jpg"])
        lengths.append(len(capsys.readouterr().out))
    assert lengths == sorted(set(lengths))


def test_invisible_marks_are_looked_for_when_asked(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["provenance", "--watermarks", "--json", "plain.jpg"]) == 0
    sources = [item["source"] for item in json.loads(capsys.readouterr().out)["evidence"]]
    assert sources == ["provenance.c2pa", "provenance.metadata", "watermark.dwtdct", "watermark.trustmark"]


def test_trust_status_tells_what_is_missing_and_what_is_installed(
    photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["trust", "status"]) == 0
    assert "witnessmark trust update" in capsys.readouterr().err
    assert run(["trust", "update", "root.pem", "--as", "official"]) == 0
    capsys.readouterr()
    assert run(["trust", "status", "--json"]) == 0
    lists = {item["name"]: item for item in json.loads(capsys.readouterr().out)["lists"]}
    assert (lists["official"]["state"], lists["official"]["entries"]) == ("undated", 1)
    assert lists["interim_frozen"]["state"] == "missing"


@pytest.mark.parametrize("source", ["missing.pem", "plain.jpg", "http://example.org/x.pem"])
def test_trust_update_refuses_what_is_no_list(photo: Path, source: str) -> None:
    assert run(["trust", "update", source]) == 2


def test_known_files_are_added_matched_and_flagged(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pdqhash")
    scene = Image.fromarray(make_scene(1))
    (photo.parent / "scene.jpg").write_bytes(encode_picture(scene, "JPEG", quality=90))
    (photo.parent / "again.webp").write_bytes(encode_picture(scene.resize((200, 200)), "WEBP", quality=60))
    assert run(["known", "match", "scene.jpg"]) == 2  # there is no index yet
    assert run(["known", "add", "scene.jpg", "--as", "fake", "--source", "check 12"]) == 0
    capsys.readouterr()
    assert run(["known", "match", "scene.jpg", "again.webp"]) == 3
    exact, alike = capsys.readouterr().out.splitlines()
    assert exact.startswith("scene.jpg: exact match with known fake scene.jpg")
    assert alike.startswith("again.webp: picture match with known fake scene.jpg")
    (photo.parent / "other.png").write_bytes(encode_picture(make_picture().rotate(90), "PNG"))
    assert run(["known", "match", "other.png"]) == 0
    assert run(["known", "add", "missing.jpg", "--as", "original"]) == 1


def test_a_report_is_signed_into_a_copy_and_read_back(
    photo: Path, pki: Pki, capsys: pytest.CaptureFixture[str]
) -> None:
    import hashlib

    newsroom = pki.leaf("Verification Desk", "Daily Test")
    Path("chain.pem").write_text(newsroom.chain_pem)
    Path("key.pem").write_text(newsroom.key_pem)
    data = photo.read_bytes()
    facts = MediaFacts("photo.jpg", hashlib.sha256(data).hexdigest(), len(data), MediaKind.IMAGE, "jpeg", "image/jpeg")
    Path("report.json").write_text(json.dumps(report_to_dict(Report(Verdict.INCONCLUSIVE, 0.5, facts))))
    signing = ["sign-report", "photo.jpg", "--cert", "chain.pem", "--key", "key.pem", "--report", "report.json"]
    assert run(["sign-report", "photo.jpg"]) == 2
    assert run(signing) == 0
    assert capsys.readouterr().out == "photo.signed.jpg\n"
    assert run(signing) == 2  # it is there already
    assert run(["sign-report", "--read", "photo.signed.jpg"]) == 0
    shown = capsys.readouterr()
    assert "Signed by Verification Desk, Daily Test" in shown.err
    assert json.loads(shown.out)["verdict"] == "inconclusive"
    assert run(["sign-report", "--read", "photo.jpg"]) == 1

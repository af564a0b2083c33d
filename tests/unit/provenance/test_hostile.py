"""Strings from files do no harm: in Evidence, JSON, the terminal, HTML and logs."""

import json
import logging
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from detect.cli.provenance import read_file, to_dict, to_text
from detect.provenance import ProvenanceSettings
from detect.render.html import PageItem, format_page
from detect.render.text import format_report
from detect.types import Report, Verdict
from tests.unit.provenance import unsigned
from tests.unit.provenance.conftest import Examine
from tests.unit.provenance.pki import Pki
from tests.unit.provenance.samples import encode_picture, make_picture
from tests.unit.provenance.states import Signers, created, manifest, sign

STRINGS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; DROP TABLE files; --",
    "Hello\r\nWorld\x0b\x85\u2028",
    "\x1b[2J\x1b]0;owned\x07\x9b31m",
    "gnp.\u202eexe\u2066\u200f",
    "\x00\ufeff\u200b\ud83d" + "\u0301" * 50,
    "{{7*7}} ${7*7} %s %n",
    "A" * 10_000,
]


def attack_strings() -> list[str]:
    folder = Path(__file__).resolve().parents[4] / "shared" / "data" / "provenance" / "attacks"
    found = [
        line for path in sorted(folder.glob("*.attack")) for line in path.read_text("utf-8", "replace").splitlines()
    ]
    return [*STRINGS, *(line for line in found if line.strip())]


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item)


def assert_harmless(text: str, *, longest: int = 1001) -> None:
    assert len(text) <= longest
    bad = {char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - {"\u200c", "\u200d"}
    assert not bad, ascii(bad)


@pytest.fixture(scope="module")
def hostile_file(pki: Pki, tmp_path_factory: pytest.TempPathFactory):
    """Make a picture that carries the string in manifest, certificate, XMP, EXIF and PNG text."""
    folder = tmp_path_factory.mktemp("hostile")

    def make(text: str, number: int) -> Path:
        safe = text.encode("utf-8", "replace").decode().replace("\x00", "")  # what CBOR and X.509 can hold
        definition = manifest(safe, safe, {**created(None, safe), "digitalSourceType": "x" + safe, "description": safe})
        png = unsigned.png_with_text({"parameters": safe + unsigned.PARAMETERS + safe, "Software": "NovelAI " + safe})
        short = safe.encode()[:40].decode(errors="ignore")
        signer = pki.leaf(f"CN {short}", f"O {short}")
        signed = sign(png, "image/png", definition, signer)[0]
        path = folder / f"{number}.png"
        path.write_bytes(signed)
        return path

    return make


@pytest.mark.parametrize("number", range(len(attack_strings())))
def test_strings_do_no_harm_in_evidence_json_terminal_and_logs(
    hostile_file, trust_dir: Path, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    path = hostile_file(attack_strings()[number], number)
    with caplog.at_level(logging.DEBUG):
        finding = read_file(str(path), str(path), ProvenanceSettings(trust_dir=trust_dir), has_watermarks=False)
    assert finding.evidence[0].details["levels"]["l2"]["signed_by"].startswith("CN")
    for item in finding.evidence:
        for shown in texts([item.details, [[reason.code, reason.text] for reason in item.reasons]]):
            assert_harmless(shown)
    assert_harmless(caplog.text.replace("\n", ""), longest=100_000)
    line = json.dumps(to_dict(finding))
    assert "\n" not in line
    assert json.loads(line)["evidence"]
    for shown in to_text(finding, level=4).splitlines():
        assert_harmless(shown)


def test_strings_do_no_harm_in_the_card_and_on_the_page(hostile_file, look: Examine) -> None:
    evidence = tuple(item for number, text in enumerate(STRINGS) for item in look(hostile_file(text, number)).values())
    report = Report(Verdict.INCONCLUSIVE, 0.5, None, evidence=evidence, path="x.png")
    for shown in format_report(report).splitlines():
        assert_harmless(shown)
    page = format_page([PageItem(report)], count=1)
    assert "<script>alert(1)</script>" not in page
    assert "<img src=x" not in page
    assert "\x1b" not in page
    assert "&lt;script&gt;alert(1)" in page  # shown, as text


def test_a_remote_address_cannot_smuggle_anything(signers: Signers, look: Examine, tmp_path: Path) -> None:
    address = "http://127.0.0.1:9/%1b[2J<script>" + "a" * 5000
    source = encode_picture(make_picture(), "JPEG")
    definition = manifest("x", "y", created(None, "z"))
    path = tmp_path / "x.jpg"
    path.write_bytes(sign(source, "image/jpeg", definition, signers.editor, remote_url=address)[0])
    found = look(path)["provenance.c2pa"]
    assert found.reasons[0].code == "c2pa_remote_only"
    for shown in texts([found.details, found.reasons[0].text]):
        assert_harmless(shown)

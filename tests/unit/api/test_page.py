"""The page: works without script, loads nothing foreign, escapes what files say, speaks two languages."""

from __future__ import annotations

import html
import io
import json
import re

import pytest
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from api.page import LANGUAGES, LOCALE
from tests.unit.api.catalogue import core_texts
from tests.unit.api.conftest import MakeRig, Rig, png

HOSTILE = '"><script>alert(1)</script>{{7*7}}.png'


def test_form_without_script_leads_to_the_result(rig: Rig) -> None:
    answer = rig.client.post("/check", files={"file": ("a.png", png())}, follow_redirects=False)
    assert answer.status_code == 303
    rig.client.get("/v1" + answer.headers["location"].replace("/a/", "/analyses/"), headers={"Prefer": "wait=10"})
    page = rig.client.get(answer.headers["location"]).text
    for words in ("Likely made by a machine", "What this does not tell you", "How the score adds up"):
        assert words in page
    assert "Where it says it comes from" in page


def test_page_escapes_the_name_of_the_file(rig: Rig) -> None:
    made = rig.submit(name=HOSTILE).json()["id"]
    for path in (f"/a/{made}", "/history", f"/v1/analyses/{made}/report.html"):
        text = rig.client.get(path).text
        assert "<script>alert" not in text
        assert "49.png" not in text


def test_pages_ask_nobody_else_for_anything(rig: Rig) -> None:
    made = rig.submit().json()["id"]
    for path in ("/", f"/a/{made}", "/history"):
        found = re.findall(r'(?:src|href|action)="([^"]+)"', rig.client.get(path).text)
        foreign = [item for item in found if not item.startswith(("/", "#", "data:", "javascript:"))]
        assert foreign == []


def test_waiting_failed_and_missing_results_have_their_pages(rig: Rig) -> None:
    rig.fake.gate.clear()
    waiting = rig.client.post("/v1/analyses", files={"file": ("w.png", png(5))}).json()["id"]
    assert 'http-equiv="refresh"' in rig.client.get(f"/a/{waiting}").text
    rig.fake.gate.set()
    failed = rig.submit(png(comment=b"BROKEN")).json()["id"]
    assert "The file is damaged" in rig.client.get(f"/a/{failed}").text
    missing = rig.client.get("/a/an_none")
    assert missing.status_code == 404
    assert "There is no such result" in missing.text


def test_result_can_be_erased_from_the_page(rig: Rig) -> None:
    made = rig.submit().json()["id"]
    assert rig.client.post(f"/a/{made}/erase", headers={"Origin": "https://evil.example"}).status_code == 403
    assert rig.client.post(f"/a/{made}/erase", follow_redirects=False).status_code == 303
    assert rig.client.get(f"/a/{made}").status_code == 404


def test_language_follows_the_browser_and_the_choice(rig: Rig) -> None:
    german = rig.client.get("/", headers={"Accept-Language": "de-AT,en;q=0.5"})
    assert 'lang="de"' in german.text
    assert "Hat das eine Maschine erzeugt?" in german.text
    assert "Was this made" in rig.client.get("/?lang=en", headers={"Accept-Language": "de"}).text
    assert "Was this made" in rig.client.get("/", headers={"Accept-Language": "de"}).text  # the choice is kept


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != "en"])
def test_catalogue_is_complete_compiled_and_keeps_place_holders(language: str) -> None:
    folder = LOCALE / language / "LC_MESSAGES"
    source = read_po(io.BytesIO((folder / "messages.po").read_bytes()))
    compiled = read_mo(io.BytesIO((folder / "messages.mo").read_bytes()))
    texts = {message.id: message.string for message in source if message.id}
    assert core_texts() <= set(texts)
    assert texts == {message.id: message.string for message in compiled if message.id}
    for original, translated in texts.items():
        assert translated
        assert set(re.findall(r"%\(\w+\)s", str(original))) == set(re.findall(r"%\(\w+\)s", str(translated)))


def test_openapi_is_3_1_with_the_librarys_report_and_problems(rig: Rig) -> None:
    from detect.render.schema import report_schema

    document = rig.client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert set(document["components"]["schemas"]["Report"]["properties"]) == set(report_schema()["properties"])
    for operations in document["paths"].values():
        for operation in operations.values():
            assert "application/problem+json" in operation["responses"]["500"]["content"]
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', rig.client.get("/openapi.json").text))
    assert references <= set(document["components"]["schemas"])


def test_errors_of_the_form_are_told_in_the_language_of_the_page(make_rig: MakeRig) -> None:
    rig = make_rig(max_upload_bytes=1000)
    answer = rig.client.post("/check", files={"file": ("a.png", bytes(90_000))}, headers={"Accept-Language": "de"})
    assert answer.status_code == 413
    assert "Die Datei ist zu gro" in answer.text
    page = rig.client.get("/", headers={"Accept-Language": "de"}).text
    found = re.search(r'data-errors="([^"]+)"', page)
    assert found
    assert "Versuchen Sie es" in json.loads(html.unescape(found.group(1)))["queue_full"]


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != "en"])
def test_reasons_and_limits_are_translated_too(language: str) -> None:
    """Reports come with English reasons; a few new ones may wait for their translation, most may not."""
    from detect.fusion.explain import TEXTS

    compiled = read_mo(io.BytesIO((LOCALE / language / "LC_MESSAGES" / "messages.mo").read_bytes()))
    known = {message.id for message in compiled}
    missing = [text for text in TEXTS.values() if text not in known]
    assert len(missing) <= 0.1 * len(TEXTS), missing

"""The HTML page: self-contained, strict, accessible in structure, and deaf to hostile strings."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from detect.render.html import PageItem, format_page
from detect.types import Evidence, Operating, Reason, Report, Span, Status, Verdict, Where
from tests.unit.render.samples import failed_report, hostile_report, picture_report, recording_report

PIXELS = np.random.default_rng(7).integers(0, 256, (480, 640, 3), dtype=np.uint8)


class Elements(HTMLParser):
    """Collect every start tag with its attributes, and the texts of style and script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(*reports: Report, with_picture: bool = False) -> str:
    items = [PageItem(report, PIXELS if with_picture else None) for report in reports]
    return format_page(items, count=len(items))


@pytest.fixture(scope="module")
def picture_page() -> str:
    return page_of(picture_report(), with_picture=True)


@pytest.fixture(scope="module")
def all_page() -> str:
    return page_of(picture_report(), recording_report(), failed_report(), hostile_report(), with_picture=True)


def test_policy_admits_only_the_pages_own_style_and_script(picture_page: str) -> None:
    elements = Elements(picture_page)
    policy = next(meta["content"] for meta in elements.all("meta") if meta.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (content,) = elements.texts[tag]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy


def test_page_refers_to_nothing_outside_itself(all_page: str) -> None:
    elements = Elements(all_page)
    for _, attributes in elements.tags:
        for name in ("src", "href", "srcset", "action", "poster", "data", "xlink:href"):
            target = attributes.get(name)
            assert target is None or target.startswith(("data:", "#")), target
    style = elements.texts["style"][0]
    assert "@import" not in style
    assert "url(" not in style


def test_no_inline_style_and_no_event_handlers_stand_in_the_page(all_page: str) -> None:
    for _, attributes in Elements(all_page).tags:
        assert not [name for name in attributes if name == "style" or name.startswith("on")]


def test_hostile_strings_add_no_element_and_keep_no_acting_character() -> None:
    page = page_of(hostile_report())
    assert len(Elements(page).all("script")) == 1
    assert "<script>alert" not in page
    assert "{{7*7}}" in page  # shown as text; a template would have made it 49
    acting = {character for character in page if not character.isprintable()} - {"\n"}
    assert not acting


def test_heat_map_lies_over_the_picture_with_a_labelled_slider_and_a_table(picture_page: str) -> None:
    elements = Elements(picture_page)
    sources = [image["src"] or "" for image in elements.all("img")]
    assert [source.partition(";")[0] for source in sources] == ["data:image/jpeg", "data:image/png"]
    assert all(image["alt"] for image in elements.all("img"))
    slider = next(item for item in elements.all("input") if item["type"] == "range")
    assert slider["id"] in [label["for"] for label in elements.all("label")]
    assert "Highest areas of the heat map" in picture_page


def test_regions_are_outlined_where_no_heat_map_covers_them() -> None:
    report = picture_report()
    pixels = report.find("image.pixels")
    assert pixels is not None
    bare = replace(pixels, where=replace(pixels.where, heat_map=None))
    assert 'class="outlines"' not in page_of(report, with_picture=True)
    page = page_of(replace(report, evidence=(bare,)), with_picture=True)
    assert '<rect class="inner" x="100" y="60" width="200" height="150"/>' in page


def test_identifiers_are_unique_and_references_resolve(all_page: str) -> None:
    elements = Elements(all_page)
    identifiers = [attributes["id"] for _, attributes in elements.tags if attributes.get("id")]
    assert len(identifiers) == len(set(identifiers))
    for _, attributes in elements.tags:
        for name in ("for", "aria-labelledby"):
            if attributes.get(name):
                assert attributes[name] in identifiers
        if (attributes.get("href") or "").startswith("#"):
            assert (attributes["href"] or "")[1:] in identifiers
    for reference in re.findall(r"url\(#([^)]+)\)", all_page):
        assert reference in identifiers


def test_structure_has_language_landmarks_and_ordered_headings(all_page: str) -> None:
    elements = Elements(all_page)
    assert elements.all("html")[0]["lang"] == "en"
    assert [len(elements.all(tag)) for tag in ("main", "footer", "title")] == [1, 1, 1]
    levels = [int(tag[1]) for tag, _ in elements.tags if re.fullmatch("h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for reports in ((), (picture_report(),), (picture_report(), failed_report())):
        assert len(Elements(page_of(*reports)).all("h1")) == 1
    for table_heading in elements.all("th"):
        assert table_heading["scope"] in ("row", "col")


def test_ledger_shows_every_line_and_the_sum(picture_page: str) -> None:
    report = picture_report()
    total = report.prior_log_odds + sum(item.llr for item in report.contributions)
    assert f"{total:+.2f}" in picture_page
    assert "before the cap +3.10" in picture_page
    assert "capped at 2.4 nats" in picture_page


def test_all_four_provenance_levels_are_there(picture_page: str) -> None:
    for told in ("Content Credentials", "Example Camera Corp", "parentOf", "signingCredential.untrusted"):
        assert told in picture_page


def test_model_hash_and_the_way_to_its_errors_are_told(picture_page: str) -> None:
    assert "ab" * 32 in picture_page
    assert "witnessmark models info image" in picture_page


def test_recording_has_a_timeline_with_its_table_twin() -> None:
    page = page_of(recording_report())
    assert 'class="timeline"' in page
    assert "0:12.0" in page
    assert "synthetic speech" in page


def test_a_stretch_that_looks_authentic_is_not_drawn_like_one_that_does_not() -> None:
    spans = (Span(0.0, 6.0, 0.1, "authentic"), Span(6.0, 9.0, 0.5, "undecided"), Span(9.0, 12.0, 0.9, "synthetic"))
    evidence = Evidence("audio.speech", Status.SCORED, where=Where(spans=spans))
    page = page_of(replace(recording_report(), evidence=(evidence,)))
    drawn = re.findall(r'<rect class="(mark|calm)"[^>]*height="34" fill-opacity="([0-9.]+)"', page)
    assert [name for name, _ in drawn] == ["calm", "mark", "mark"]
    assert float(drawn[1][1]) < 0.2 < float(drawn[0][1]) == pytest.approx(float(drawn[2][1]))


def test_details_print_no_picture_as_text() -> None:
    track = {"index": 1, "note": None, "thumbnail": "data:image/jpeg;base64,QUFB", "boxes": [[1, 2]]}
    evidence = Evidence("face.swap", Status.SCORED, details={"tracks": [track]})
    page = page_of(replace(picture_report(), evidence=(evidence,)))
    details = re.findall(r"<pre.*?</pre>", page, re.S)
    assert any("boxes" in text and "note" in text for text in details)
    assert not any("thumbnail" in text or "base64" in text for text in details)


def test_several_files_have_an_index_that_leads_to_each(all_page: str) -> None:
    links = [link["href"] for link in Elements(all_page).all("a")]
    assert [f"#report-{number}" for number in range(1, 5)] == [
        link for link in links if (link or "").startswith("#report")
    ]
    assert "4 files" in all_page


def test_report_can_be_saved_from_the_page_as_json(picture_page: str) -> None:
    link = next(item for item in Elements(picture_page).all("a") if "download" in item)
    content = base64.b64decode((link["href"] or "").partition(",")[2])
    assert json.loads(content)["path"] == "holiday/photo.jpg"


def test_failed_file_has_a_section_with_its_code() -> None:
    page = page_of(failed_report())
    assert "Could not be judged" in page
    assert "corrupt_media" in page


def test_equal_reports_make_equal_pages_and_the_time_is_stated_when_given() -> None:
    assert page_of(picture_report()) == page_of(picture_report())
    page = format_page([PageItem(picture_report())], count=1, made_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC))
    assert "2026-01-02 03:04 UTC" in page


def test_page_without_files_is_a_page() -> None:
    assert "Nothing was given to judge" in page_of()


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_has_its_look(verdict: Verdict) -> None:
    page = page_of(picture_report(verdict=verdict))
    assert f".verdict--{verdict.value.replace('_', '-')}" in page


def test_many_files_share_smaller_pictures() -> None:
    wide = np.zeros((400, 2000, 3), dtype=np.uint8)
    alone = format_page([PageItem(picture_report(), wide)], count=1)
    many = format_page([PageItem(picture_report(), wide)], count=500)
    assert len(many) < len(alone)


def test_legal_marks_are_told_in_words_and_in_full() -> None:
    note = "Marks that were found. A missing mark does not show that content is authentic, nor that one was required."
    page = page_of(picture_report(disclosures={"eu_art50": {"marking": "none_found"}, "note": note}))
    assert "<dt>EU AI Act, Article 50, marking</dt><dd>None found</dd>" in page
    assert f"<dt>Note</dt><dd>{note}</dd>" in page


def test_that_nothing_was_found_is_said_where_the_origin_is_told_and_not_among_the_reasons() -> None:
    absent = Reason("no_c2pa_manifest", "No credentials here.")
    levels = {"levels": {"l1": {"content_credentials": "none found"}}}
    evidence = (Evidence("provenance.c2pa", Status.NOT_APPLICABLE, reasons=(absent,), details=levels),)
    report = picture_report(evidence=evidence, reasons=(Reason("weak", "Too weak."), absent), contributions=())
    why, _, rest = page_of(report).partition("Where it says it comes from")
    assert absent.text not in why
    assert absent.text in rest and "At a glance" not in rest


def test_the_scale_marks_where_verdicts_change_and_only_what_can_be_reached() -> None:
    page = page_of(picture_report(operating=Operating(0.02, 1.9, -1.4, "image")))
    assert page.count('<line class="tick" x1="') == 2
    assert f'x1="{10 + 580 * 0.130}"' in page  # 1 / (1 + e^1.9)
    never = page_of(picture_report(operating=Operating(0.02, 1.9, float("-inf"), "image")))
    assert never.count('<line class="tick" x1="') == 1

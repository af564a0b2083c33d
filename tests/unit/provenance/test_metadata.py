"""Unsigned marks: every carrier, every tool, and what must not be taken for a mark."""

import json
from pathlib import Path

import pytest

from detect.types import Evidence, Finding, Status
from tests.unit.provenance import unsigned
from tests.unit.provenance.conftest import Examine
from tests.unit.provenance.samples import encode_picture, make_picture

WEIGHTS = {"ai": 3.0, "edited_ai": 0.405, "weak_ai": 1.0, "capture_claim": 0.0, "none": 0.0}


@pytest.fixture
def read(tmp_path: Path, look: Examine):
    def run(name: str, data: bytes) -> Evidence:
        path = tmp_path / name
        path.write_bytes(data)
        return look(path)["provenance.metadata"]

    return run


def check(found: Evidence, verdict: str, *, llr: float | None = None) -> None:
    assert found.details["verdict"] == verdict
    assert found.details["unread"] == []
    assert found.llr == pytest.approx(WEIGHTS[verdict] if llr is None else llr, abs=0.001)
    assert found.status is (Status.NOT_APPLICABLE if verdict == "none" else Status.SCORED)
    assert found.finding is (Finding.MANIPULATED if verdict == "edited_ai" else Finding.SYNTHETIC)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("case", unsigned.XMP_CASES)
def test_xmp_statements_are_read_in_each_format(read, suffix: str, case: str) -> None:
    packet, verdict = unsigned.XMP_CASES[case]
    check(read(f"x.{suffix}", unsigned.picture_with_xmp(suffix, packet)), verdict)


@pytest.mark.parametrize("is_late", [False, True], ids=["before-pixels", "after-pixels"])
@pytest.mark.parametrize("case", unsigned.PNG_TEXT_CASES)
def test_png_texts_of_generators_are_read(read, case: str, is_late: bool) -> None:
    texts, verdict = unsigned.PNG_TEXT_CASES[case]
    llr = 2.0 if case == "aigc_possibly" else None
    check(read("x.png", unsigned.png_with_text(texts, is_late=is_late)), verdict, llr=llr)


def test_packed_png_text_is_read(read) -> None:
    check(read("x.png", unsigned.png_with_text({"parameters": unsigned.PARAMETERS}, is_packed=True)), "ai")


@pytest.mark.parametrize("case", unsigned.EXIF_CASES)
def test_exif_of_generators_and_cameras_is_read(read, case: str) -> None:
    tags, verdict = unsigned.EXIF_CASES[case]
    check(read("x.jpg", unsigned.jpeg_with_exif(tags)), verdict)


@pytest.mark.parametrize("case", unsigned.CONTAINER_CASES)
def test_clips_carry_their_marks_in_container_tags(read, case: str) -> None:
    check(read(case, unsigned.clip_with(case)), unsigned.CONTAINER_CASES[case][2])


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.mp3", unsigned.mp3_with("AIGC", unsigned.LABEL_TEXT)),
        ("y.mp3", unsigned.mp3_with("aigc", json.dumps({"aigc": unsigned.LABEL}))),
        ("x.flac", unsigned.vorbis_with("FLAC", "AIGC", unsigned.LABEL_TEXT)),
        ("x.ogg", unsigned.vorbis_with("OGG", "AIGC", unsigned.LABEL_TEXT)),
        ("x.wav", unsigned.wav_with_info({b"ICMT": "AIGC=" + unsigned.LABEL_TEXT})),
        ("x.jpg", unsigned.jpeg_with_segment(0xE9, b"AIGC" + unsigned.LABEL_TEXT.encode())),
    ],
    ids=["id3", "id3-nested", "vorbis-flac", "vorbis-ogg", "riff-info", "jpeg-segment"],
)
def test_the_chinese_label_is_read_from_sound_and_segments(read, name: str, data: bytes) -> None:
    found = read(name, data)
    check(found, "ai")
    mark = next(mark for mark in found.details["marks"] if mark["code"] == "gb45438_label")
    assert mark["tool"] == "Doubao"
    assert mark["values"]["ProduceID"] == "A1"


@pytest.mark.parametrize("comment", ["made with suno", "https://udio.com/songs/1"])
def test_music_generators_are_named_by_their_comment(read, comment: str) -> None:
    check(read("x.mp3", unsigned.mp3_with("comment", comment)), "ai")
    check(read("x.wav", unsigned.wav_with_info({b"ICMT": comment})), "ai")


def test_a_muxer_is_no_generator(read) -> None:
    check(read("x.wav", unsigned.wav_with_info({b"ISFT": "Lavf59.27.100"})), "none")


def test_a_samsung_edit_is_read_from_the_trailer(read) -> None:
    plain = encode_picture(make_picture(64, 48), "JPEG")
    trailer = b'PhotoEditor_Re_Edit_Data{"originalPath":"x","genAIType":%d}'
    check(read("x.jpg", plain + trailer % 1), "edited_ai")
    check(read("y.jpg", plain + trailer % 0), "none")


def test_xmp_appended_behind_the_picture_is_found(read) -> None:
    packet, verdict = unsigned.XMP_CASES["iptc_google"]
    plain = encode_picture(make_picture(64, 48), "JPEG")
    check(read("x.jpg", plain + bytes(100_000) + packet), verdict)


def test_extended_xmp_is_put_together(read) -> None:
    packet = unsigned.XMP_CASES["tc260_element"][0]
    head, half = b"http://ns.adobe.com/xmp/extension/\x00" + b"A" * 32, len(packet) // 2
    size = len(packet).to_bytes(4, "big")
    late = unsigned.jpeg_with_segment(0xE1, head + size + half.to_bytes(4, "big") + packet[half:])
    early = head + size + bytes(4) + packet[:half]
    data = late[:2] + b"\xff\xe1" + (len(early) + 2).to_bytes(2, "big") + early + late[2:]
    check(read("x.jpg", data), "ai")


def test_marks_inside_the_thumbnail_of_an_ingredient_are_not_the_files_own(
    read, signers, states: dict[str, Path]
) -> None:
    from tests.unit.provenance.states import CAMERA, sign

    packet = unsigned.XMP_CASES["iptc_google"][0]
    generated = unsigned.picture_with_xmp("jpg", packet)
    definition = {
        **CAMERA,
        "assertions": [*CAMERA["assertions"], {"label": "org.test.note", "data": {"x": packet.decode()}}],
    }
    signed = sign(states["none.jpg"].read_bytes(), "image/jpeg", definition, signers.camera)[0]
    assert packet[60:200] in signed
    check(read("x.jpg", signed), "none")
    check(read("y.jpg", generated), "ai")


@pytest.mark.parametrize(
    "packet",
    [
        b'<!DOCTYPE x [<!ENTITY a "b">]>' + unsigned.XMP_CASES["iptc_google"][0],
        b"<x:xmpmeta><rdf:RDF",
        b"<x:xmpmeta xmlns:x='a'>" + b"<a>" * 50_000 + b"</x:xmpmeta>",
    ],
    ids=["entities", "cut", "deep"],
)
def test_hostile_xmp_is_survived(read, packet: bytes) -> None:
    found = read("x.jpg", encode_picture(make_picture(64, 48), "JPEG") + packet)
    assert found.status in (Status.NOT_APPLICABLE, Status.SCORED)


def test_a_text_bomb_is_not_inflated_without_limit(read) -> None:
    import zlib

    bomb = zlib.compress(b"Steps: 1, Sampler: x, " + bytes(200_000_000), 9)
    chunk = unsigned._chunk(b"zTXt", b"parameters\x00\x00" + bomb)
    plain = encode_picture(make_picture(64, 48), "PNG")
    assert read("x.png", plain[:33] + chunk + plain[33:]).details["verdict"] == "ai"


def test_a_broken_file_is_said_to_be_unread_and_the_rest_is_still_read(read) -> None:
    packet, _ = unsigned.XMP_CASES["iptc_google"]
    found = read("x.jpg", b"\xff\xd8\xff\xe1\x00" + packet)
    assert found.details["verdict"] == "ai"
    assert "metadata_unreadable" in [reason.code for reason in found.reasons]


def test_many_marks_weigh_like_the_strongest_and_stay_capped(read) -> None:
    texts = {"parameters": unsigned.PARAMETERS, "prompt": unsigned.GRAPH, "AIGC": unsigned.LABEL_TEXT}
    found = read("x.png", unsigned.png_with_text(texts))
    assert found.llr == 3.0
    assert found.p_synthetic_ceiling == 0.97


def test_prompt_and_model_are_shown(read) -> None:
    found = read("x.png", unsigned.png_with_text({"parameters": unsigned.PARAMETERS}))
    values = found.details["marks"][0]["values"]
    assert values["prompt"] == "a cat"
    assert values["model"] == "sd15"

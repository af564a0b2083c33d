"""The main contract: submit, ask, list, erase, in the words and with the headers that integrators rely on."""

from __future__ import annotations

import threading
import time

import pytest

from detect.serialize import report_from_dict
from tests.unit.api.conftest import MakeRig, Rig, png


def test_file_that_is_waited_for_comes_back_with_its_report(rig: Rig) -> None:
    answer = rig.submit(name="holiday.png")
    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait"
    body = answer.json()
    assert answer.headers["location"] == f"/v1/analyses/{body['id']}"
    assert (body["status"], body["verdict"], body["name"]) == ("succeeded", "likely_synthetic", "holiday.png")
    assert report_from_dict(body["report"]).authenticity == body["authenticity"]


def test_without_prefer_the_answer_is_202_and_the_result_follows(rig: Rig) -> None:
    rig.fake.gate.clear()
    answer = rig.client.post("/v1/analyses", files={"file": ("a.png", png())})
    assert answer.status_code == 202
    assert int(answer.headers["retry-after"]) > 0
    rig.fake.gate.set()
    later = rig.client.get(answer.headers["location"], headers={"Prefer": "wait=10"})
    assert later.json()["status"] == "succeeded"


def test_wait_ends_with_202_when_the_time_is_over(rig: Rig) -> None:
    rig.fake.gate.clear()
    answer = rig.submit(Prefer="wait=1")
    assert answer.status_code == 202
    rig.fake.gate.set()


@pytest.mark.parametrize("content", [b"", b"just text", png()[:20]], ids=["empty", "text", "header only"])
def test_bytes_that_are_no_media_fail_with_a_named_code_or_a_report(rig: Rig, content: bytes) -> None:
    body = rig.submit(content).json()
    assert body["status"] in ("failed", "succeeded")
    if body["status"] == "failed":
        assert body["error"]["code"] in ("media_too_short", "unsupported_media", "corrupt_media")
        assert body["report"] is None


def test_broken_file_fails_alone_among_good_ones(rig: Rig) -> None:
    rig.fake.gate.clear()
    contents = [png(1), png(2, comment=b"BROKEN"), png(3), png(4, comment=b"CRASH"), png(5)]
    places = [
        rig.client.post("/v1/analyses", files={"file": ("a.png", content)}).headers["location"] for content in contents
    ]
    rig.fake.gate.set()
    bodies = [rig.client.get(place, headers={"Prefer": "wait=10"}).json() for place in places]
    assert [body["status"] for body in bodies] == ["succeeded", "failed", "succeeded", "failed", "succeeded"]
    assert bodies[1]["error"]["code"] == "corrupt_media"
    assert bodies[3]["error"]["code"] == "internal_error"
    assert "secret" not in str(bodies[3])


def test_same_bytes_are_judged_once_and_keep_their_own_names(rig: Rig) -> None:
    first, second = rig.submit(name="one.png").json(), rig.submit(name="two.png").json()
    assert (first["is_cached"], second["is_cached"]) == (False, True)
    assert second["report"]["media"]["name"] == second["report"]["path"] == "two.png"
    assert len(rig.fake.judged) == 1


def test_idempotency_key_makes_one_analysis_of_many_calls(rig: Rig) -> None:
    answers = []
    calls = [threading.Thread(target=lambda: answers.append(rig.submit(Idempotency_Key="k1"))) for _ in range(4)]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 3
    assert len(rig.client.get("/v1/analyses").json()["items"]) == 1


def test_idempotency_key_with_another_body_is_refused(rig: Rig) -> None:
    assert rig.submit(Idempotency_Key="k1").status_code == 200
    answer = rig.submit(png(9), Idempotency_Key="k1")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_conflict")


def test_list_pages_by_cursor_without_gaps_or_repeats(rig: Rig) -> None:
    made = [rig.submit(png(seed)).json()["id"] for seed in range(5)]
    seen: list[str] = []
    cursor = None
    while True:
        page = rig.client.get("/v1/analyses", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == made[::-1]


def test_list_filters_by_status(rig: Rig) -> None:
    rig.submit(png(1))
    rig.submit(png(2, comment=b"BROKEN"))
    items = rig.client.get("/v1/analyses", params={"status": "failed"}).json()["items"]
    assert [item["status"] for item in items] == ["failed"]


def test_foreign_cursor_is_refused(rig: Rig) -> None:
    answer = rig.client.get("/v1/analyses", params={"cursor": "AAAA"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_erasing_removes_result_and_file(rig: Rig) -> None:
    body = rig.submit().json()
    assert list((rig.service.settings.data_dir / "blobs").iterdir())
    assert rig.client.delete(f"/v1/analyses/{body['id']}").status_code == 204
    assert rig.client.get(f"/v1/analyses/{body['id']}").status_code == 404
    assert not list((rig.service.settings.data_dir / "blobs").iterdir())


def test_erasing_while_the_file_is_judged_leaves_nothing(rig: Rig) -> None:
    rig.fake.gate.clear()
    place = rig.client.post("/v1/analyses", files={"file": ("a.png", png())}).headers["location"]
    assert rig.client.delete(place).status_code == 204
    rig.fake.gate.set()
    assert rig.client.get(place, headers={"Prefer": "wait=1"}).status_code == 404
    assert rig.client.get("/v1/analyses").json()["items"] == []


def test_too_large_file_is_refused_while_it_streams(make_rig: MakeRig) -> None:
    rig = make_rig(max_upload_bytes=1000)

    def endless():  # type: ignore[no-untyped-def]
        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
        yield head
        for _ in range(1000):
            yield b"x" * 1000

    answer = rig.client.post(
        "/v1/analyses", content=endless(), headers={"Content-Type": "multipart/form-data; boundary=b"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "media_too_large")
    assert not list((rig.service.settings.data_dir / "blobs").iterdir())


def test_full_queue_is_503_with_retry_after_and_keeps_no_file(make_rig: MakeRig) -> None:
    rig = make_rig(max_queue=1, has_worker=False)
    first = rig.client.post("/v1/analyses", files={"file": ("a.png", png(1))})
    assert first.status_code == 202
    second = rig.client.post("/v1/analyses", files={"file": ("b.png", png(2))})
    assert (second.status_code, second.json()["code"]) == (503, "queue_full")
    assert int(second.headers["retry-after"]) > 0
    assert len(list((rig.service.settings.data_dir / "blobs").iterdir())) == 1


def test_rate_limit_is_429_with_headers(make_rig: MakeRig) -> None:
    rig = make_rig(rate_limit="2/minute")
    answers = [rig.submit(png(seed)) for seed in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert "r=1" in answers[0].headers["ratelimit"]
    assert answers[2].json()["code"] == "rate_limited"
    assert 0 < int(answers[2].headers["retry-after"]) <= 60


def test_zero_retention_keeps_neither_file_nor_name_nor_cache(rig: Rig) -> None:
    answer = rig.client.post(
        "/v1/analyses",
        files={"file": ("private.png", png())},
        data={"zero_retention": "true"},
        headers={"Prefer": "wait=10"},
    ).json()
    assert (answer["status"], answer["name"], answer["zero_retention"]) == ("succeeded", "", True)
    assert "private" not in str(answer)
    # The file goes right after the job has ended, not before: a worker killed in between must still find it.
    blobs, deadline = rig.service.settings.data_dir / "blobs", time.monotonic() + 5
    while list(blobs.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not list(blobs.iterdir())
    assert rig.submit().json()["is_cached"] is False


def test_urls_and_webhooks_are_off_by_default(rig: Rig) -> None:
    answer = rig.client.post("/v1/analyses", json={"url": "https://example.org/a.png"})
    assert (answer.status_code, answer.json()["code"]) == (403, "urls_disabled")
    answer = rig.client.post(
        "/v1/analyses", files={"file": ("a.png", png())}, data={"webhook_url": "https://example.org/"}
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "webhooks_disabled")


def test_name_of_the_file_is_cleaned(rig: Rig) -> None:
    body = rig.submit(name="../../etc/evil\u202egnp.png").json()
    assert "/" not in body["name"]
    assert "\u202e" not in body["name"]

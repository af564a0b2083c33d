"""URLs, batches, webhooks, sub-resources, models, health and metrics through the whole service."""

from __future__ import annotations

import io
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import soundfile
from PIL import Image
from sqlalchemy import select, update
from standardwebhooks import Webhook

from api.database import Delivery
from api.jobs.webhooks import SCHEDULE_S, Sender
from api.spectrogram import draw_spectrogram
from tests.unit.api.conftest import MakeRig, Net, Rig, png

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_url_is_fetched_and_judged(make_rig: MakeRig) -> None:
    net = Net()
    net.files["https://example.org/a.png"] = png()
    rig = make_rig(fetch_urls=True, fetcher=net)
    wait = {"Prefer": "wait=10"}
    body = rig.client.post("/v1/analyses", json={"url": "https://example.org/a.png"}, headers=wait).json()
    assert (body["status"], body["name"]) == ("succeeded", "a.png")
    body = rig.client.post("/v1/analyses", json={"url": "https://example.org/none.png"}, headers=wait).json()
    assert (body["status"], body["error"]["code"]) == ("failed", "url_unreachable")
    answer = rig.client.post("/v1/analyses", json={"url": "https://169.254.169.254/"})
    assert (answer.status_code, answer.json()["code"]) == (422, "url_refused")


def test_batch_gives_every_line_once_in_order_as_jsonl_and_parquet(make_rig: MakeRig) -> None:
    net = Net()
    urls = [f"https://example.org/{number}.png" for number in range(6)]
    net.files |= {url: png(number, comment=b"BROKEN" if number == 3 else b"") for number, url in enumerate(urls)}
    rig = make_rig(fetch_urls=True, fetcher=net)
    lines = "".join(json.dumps({"url": url}) + "\n" for url in urls)
    answer = rig.client.post("/v1/batches", content=lines, headers={"Idempotency-Key": "b1"})
    assert answer.status_code == 202
    again = rig.client.post("/v1/batches", content=lines, headers={"Idempotency-Key": "b1"})
    assert again.json()["id"] == answer.json()["id"]
    place = answer.headers["location"]
    deadline = time.monotonic() + 20
    while rig.client.get(place).json()["status"] == "running" and time.monotonic() < deadline:
        time.sleep(0.05)
    body = rig.client.get(place).json()
    assert (body["total"], body["counts"]) == (6, {"succeeded": 5, "failed": 1})
    rows = [json.loads(line) for line in rig.client.get(f"{place}/results.jsonl").text.splitlines()]
    assert [row["name"] or row["error"]["code"] for row in rows] == [f"{number}.png" for number in range(6)]
    table = pyarrow.parquet.read_table(io.BytesIO(rig.client.get(f"{place}/results.parquet").content))
    assert table["line"].to_pylist() == [1, 2, 3, 4, 5, 6]
    assert table["error_code"].to_pylist() == [None, None, None, "corrupt_media", None, None]
    assert json.loads(table["report"][0].as_py())["verdict"] == "likely_synthetic"


def test_batch_with_a_bad_line_is_refused_whole_with_line_numbers(make_rig: MakeRig) -> None:
    rig = make_rig(fetch_urls=True)
    lines = '{"url": "https://example.org/a.png"}\nnot json\n{"url": "https://127.0.0.1/"}\n{"link": "x"}\n'
    answer = rig.client.post("/v1/batches", content=lines)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_batch")
    assert {error["line"] for error in answer.json()["errors"]} == {2, 3, 4}
    assert rig.client.get("/v1/analyses").json()["items"] == []


@pytest.fixture
def hooked(make_rig: MakeRig) -> tuple[Rig, Net]:
    net = Net()
    rig = make_rig(webhooks=True, webhook_secrets=[SECRET], fetcher=net, has_worker=False)
    return rig, net


def finish_one(rig: Rig, net: Net) -> Sender:
    """Submit with a webhook, let the job end, and return a sender to drive by hand."""
    from api.jobs.records import Outcome

    data = {"webhook_url": "https://hooks.example.org/in"}
    answer = rig.client.post("/v1/analyses", files={"file": ("a.png", png())}, data=data)
    assert answer.status_code == 202
    (job,) = rig.service.store.claim("w", stage="analyze")
    rig.service.store.finish(job, Outcome(error_code="corrupt_media", error_detail="x"))
    return Sender(rig.service.database, rig.service.settings, net, rig.service.metrics)


def deliveries(rig: Rig) -> list[Delivery]:
    with rig.service.database.read() as session:
        return list(session.scalars(select(Delivery)))


def test_webhook_is_signed_as_the_specification_says(hooked: tuple[Rig, Net]) -> None:
    rig, net = hooked
    assert finish_one(rig, net).send_due() == 1
    url, body, headers = net.posted[0]
    assert url == "https://hooks.example.org/in"
    message: Any = Webhook(SECRET).verify(body, headers)
    assert message["type"] == "analysis.failed"
    assert message["data"]["error_code"] == "corrupt_media"
    assert deliveries(rig) == []


def test_failed_webhook_is_tried_again_under_the_same_id_until_it_is_given_up(hooked: tuple[Rig, Net]) -> None:
    rig, net = hooked
    net.answer = (500, {"retry-after": "3600"})
    sender = finish_one(rig, net)
    for attempt in range(len(SCHEDULE_S)):
        assert sender.send_due() == 1, attempt
        waiting = deliveries(rig)
        if waiting:
            assert waiting[0].next_at >= time.time() + 3500
        assert sender.send_due() == 0
        with rig.service.database.write() as session:
            session.execute(update(Delivery).values(next_at=0.0))
    assert deliveries(rig) == []
    assert len({headers["webhook-id"] for _, _, headers in net.posted}) == 1


def test_gone_ends_a_webhook_at_once(hooked: tuple[Rig, Net]) -> None:
    rig, net = hooked
    net.answer = (410, {})
    finish_one(rig, net).send_due()
    assert deliveries(rig) == []


def test_webhook_to_an_inner_address_is_refused_at_the_door(hooked: tuple[Rig, Net]) -> None:
    rig, _ = hooked
    answer = rig.client.post(
        "/v1/analyses", files={"file": ("a.png", png())}, data={"webhook_url": "https://127.0.0.1/"}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "url_refused")


def test_sub_resources_of_a_picture(rig: Rig) -> None:
    place = f"/v1/analyses/{rig.submit().json()['id']}"
    heat_map = Image.open(io.BytesIO(rig.client.get(f"{place}/heatmap.png").content))
    assert heat_map.mode == "RGB"
    overlay = Image.open(io.BytesIO(rig.client.get(f"{place}/heatmap.png?overlay=true").content))
    assert (overlay.mode, overlay.size) == ("RGBA", (640, 480))
    page = rig.client.get(f"{place}/report.html")
    assert "How the score adds up" in page.text
    assert rig.client.get(f"{place}/report.json").json()["schema_version"]
    empty = {"duration_s": None, "step_s": 1.0, "lanes": [], "evidence": []}
    assert rig.client.get(f"{place}/timeline.json").json() == empty
    silent = rig.client.get(f"{place}/sound.wav")
    assert (silent.status_code, silent.json()["code"]) == (409, "no_sound")


def test_spectrogram_shows_the_tone_where_it_is() -> None:
    tone = (20_000 * np.sin(2 * np.pi * 2000 * np.arange(16_000) / 16_000)).astype(np.int16)
    pixels = np.asarray(Image.open(io.BytesIO(draw_spectrogram(np.stack([tone, tone])))).convert("L"))
    row = int(pixels.mean(axis=1).argmax())
    assert abs((256 - row) * 8000 / 256 - 2000) < 40


def test_recording_can_be_seen_and_heard_in_parts(rig: Rig) -> None:
    sink = io.BytesIO()
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 16_000)
    soundfile.write(sink, np.stack([tone, tone], axis=1), 16_000, format="WAV")
    place = f"/v1/analyses/{rig.submit(sink.getvalue(), name='a.wav').json()['id']}"
    heard = rig.client.get(f"{place}/sound.wav")
    samples, rate_hz = soundfile.read(io.BytesIO(heard.content))
    assert (samples.shape, rate_hz) == ((48_000,), 16_000)
    assert np.abs(samples - tone).max() < 1e-3
    part = rig.client.get(f"{place}/sound.wav", headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, heard.content[100:200])
    assert Image.open(io.BytesIO(rig.client.get(f"{place}/spectrogram.png").content)).height == 257
    left = [path.name for path in Path(tempfile.gettempdir()).glob("witnessmark-*.wav")]
    rig.client.get(f"{place}/sound.wav")
    assert [path.name for path in Path(tempfile.gettempdir()).glob("witnessmark-*.wav")] == left


def test_page_and_report_of_a_recording_show_its_waveform_and_play_it(rig: Rig) -> None:
    sink = io.BytesIO()
    soundfile.write(sink, 0.5 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000), 16_000, format="WAV")
    name = rig.submit(sink.getvalue(), name="a.wav").json()["id"]
    page = rig.client.get(f"/a/{name}").text
    assert 'aria-label="Waveform and spectrogram, 2.0 seconds"' in page
    assert f'src="/v1/analyses/{name}/sound.wav"' in page  # the page's policy allows no sound in the page itself
    report = rig.client.get(f"/v1/analyses/{name}/report.html").text
    assert 'src="data:audio/mpeg;base64,' in report
    rig.client.delete(f"/v1/analyses/{name}")


def test_health_models_and_metrics(rig: Rig) -> None:
    rig.submit(name="private.png")
    assert rig.client.get("/healthz").json()["status"] == "ok"
    ready = rig.client.get("/readyz").json()
    assert ready == {"status": "ok", "checks": dict.fromkeys(("accepting", "database", "queue", "model"), True)}
    assert rig.client.get("/v1/models").json()["fingerprint"] == rig.fake.fingerprint
    text = rig.client.get("/metrics").text
    assert 'witnessmark_verdicts_total{kind="image",verdict="likely_synthetic"} 1.0' in text
    assert "private" not in text


def test_draining_service_is_not_ready_and_takes_nothing(rig: Rig) -> None:
    rig.service.drain()
    assert rig.client.get("/readyz").status_code == 503
    answer = rig.submit()
    assert (answer.status_code, answer.json()["code"]) == (503, "shutting_down")


def test_provenance_reads_without_keeping(rig: Rig) -> None:
    body = rig.client.post("/v1/provenance", files={"file": ("a.png", png())}).json()
    assert {item["source"] for item in body["evidence"]} >= {"provenance.c2pa", "provenance.metadata"}
    assert body["format"] == "png"
    assert not list((rig.service.settings.data_dir / "blobs").iterdir())

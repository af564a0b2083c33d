"""The worker: places, turns, handing over, back-pressure, stuck files, shutting down, and what it tells nobody."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from sqlalchemy import select

from api.database import Analysis
from api.jobs.records import NewJob, Outcome
from api.server import Server
from detect.types import Report
from tests.unit.api.conftest import MakeRig, Net, Rig, png


def until(is_so: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert is_so()


def post(rig: Rig, content: bytes) -> str:
    return str(rig.client.post("/v1/analyses", files={"file": ("a.png", content)}).json()["id"])


def row_of(rig: Rig, job_id: str) -> Analysis:
    row = rig.service.store.get(job_id, None)
    assert row is not None
    return row


def test_job_that_finds_a_free_place_is_stored_under_the_workers_lease(rig: Rig) -> None:
    worker = rig.service.worker
    assert worker is not None
    until(lambda: worker.is_ready)
    rig.fake.gate.clear()
    until(lambda: worker.reserve("probe"))  # a look at the database may be under way
    worker.forget("probe")
    ids = [post(rig, png(seed)) for seed in range(4)]
    until(lambda: sum(row_of(rig, item).status == "running" for item in ids) == rig.fake.width)
    held = [row_of(rig, item) for item in ids if row_of(rig, item).status == "running"]
    assert {row.worker for row in held} == {worker.name}
    assert all(row.attempts == 1 and row.lease_until and row.started_at for row in held)
    rig.fake.gate.set()
    until(lambda: all(row_of(rig, item).status == "succeeded" for item in ids))


def test_job_handed_to_a_worker_that_dies_is_taken_up_by_another(make_rig: MakeRig) -> None:
    rig = make_rig(has_worker=False, lease_s=0.3)
    job = NewJob(owner="local", blob="b", sha256="0" * 64, size=1)
    row, _ = rig.service.store.submit(job, worker="dead")
    assert (row.status, row.worker) == ("running", "dead")
    assert not rig.service.store.claim("other", stage="analyze")
    time.sleep(0.35)
    (taken,) = rig.service.store.claim("other", stage="analyze")
    assert (taken.id, taken.attempts) == (row.id, 2)
    assert rig.service.store.finish(row, Outcome(error_code="late")) is False


def test_turn_ends_and_claims_in_order_up_to_the_limit(make_rig: MakeRig) -> None:
    store = make_rig(has_worker=False).service.store
    ids = [store.submit(NewJob(owner="o", blob=f"b{n}", sha256=f"{n:064x}", size=1))[0].id for n in range(5)]
    first = store.turn("w", limit=2)
    assert [row.id for row in first.claimed] == ids[:2]
    gone = store.turn("w", ended=[(first.claimed[0], Outcome(error_code="x", error_detail="y"))], limit=9)
    assert [row.id for row in gone.claimed] == ids[2:]
    assert [row and row.status for row in gone.ended] == ["failed"]
    assert first.claimed[0].status == "running"  # what others may be looking at has not been changed
    assert store.turn("w", limit=9).claimed == ()


def test_files_are_judged_side_by_side(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = threading.Barrier(2)  # one file alone would wait for the other until this breaks
    analyze = rig.fake.analyze

    def meet(*given: Any, **options: Any) -> Report:
        meeting.wait(timeout=30)
        return analyze(*given, **options)

    monkeypatch.setattr(rig.fake, "analyze", meet)
    ids = [post(rig, png(seed)) for seed in range(2)]
    until(lambda: all(row_of(rig, item).status == "succeeded" for item in ids), timeout_s=60)


def test_busy_engine_is_asked_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.jobs.worker._BUSY_PAUSE_S", 0.02)
    rig.fake.busy_times = 3
    body = rig.submit().json()
    assert (body["status"], rig.fake.busy_times) == ("succeeded", 0)


def test_error_of_our_own_keeps_its_code_and_hides_its_text(rig: Rig) -> None:
    body = rig.submit(png(comment=b"ENGINE")).json()
    assert (body["status"], body["error"]["code"]) == ("failed", "engine_error")
    assert "someone" not in str(body)


def test_place_of_a_temporary_file_is_not_told(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    from detect.errors import CorruptMediaError

    def fail(*_: object, **__: object) -> None:
        raise CorruptMediaError("damaged (cannot identify '/tmp/witnessmark-x1.png')")

    monkeypatch.setattr("tempfile.tempdir", "/tmp")
    monkeypatch.setattr(rig.fake, "analyze", fail)
    assert rig.submit().json()["error"]["detail"] == "damaged (cannot identify 'the file')"


def test_stuck_job_loses_its_lease_and_a_stuck_worker_its_readiness(make_rig: MakeRig) -> None:
    rig = make_rig(lease_s=0.3, job_timeout_s=0.2)
    worker = rig.service.worker
    assert worker is not None
    until(lambda: worker.is_ready)
    rig.fake.gate.clear()
    ids = [post(rig, png(seed)) for seed in range(2)]
    until(lambda: not worker.is_ready)
    assert rig.client.get("/readyz").json()["checks"]["model"] is False
    taken: list[Analysis] = []
    until(lambda: len(taken.extend(rig.service.store.claim("other", stage="analyze", limit=9)) or taken) == 2)
    assert [row.id for row in sorted(taken, key=lambda row: row.id)] == ids
    rig.fake.gate.set()
    until(lambda: worker.is_ready)
    assert {row_of(rig, item).worker for item in ids} == {"other"}  # the late results were refused


def test_failing_database_loses_no_result(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.jobs.worker._TROUBLE_PAUSE_S", 0.05)
    rig.fake.gate.clear()
    job_id = post(rig, png())
    turn = rig.service.store.turn
    failures = [OSError("disk")] * 3

    def shaky(*given: object, **options: object) -> object:
        if options.get("ended") and failures:
            raise failures.pop()
        return turn(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(rig.service.store, "turn", shaky)
    rig.fake.gate.set()
    until(lambda: row_of(rig, job_id).status == "succeeded")
    assert failures == []


def test_signal_drains_at_once(rig: Rig) -> None:
    server = Server(uvicorn.Config(lambda: None), rig.service)
    server.handle_exit(signal.SIGTERM, None)
    assert rig.submit().status_code == 503
    assert 0 < rig.service.drain_left_s <= rig.service.settings.drain_s


def test_address_is_forgotten_once_it_is_fetched(make_rig: MakeRig) -> None:
    net = Net()
    net.files["https://example.org/a.png?token=secret"] = png()
    rig = make_rig(fetch_urls=True, fetcher=net)
    for url in net.files, ["https://example.org/none?token=secret"]:
        rig.client.post("/v1/analyses", json={"url": next(iter(url))}, headers={"Prefer": "wait=10"})
    with rig.service.database.read() as session:
        rows = session.execute(select(Analysis.status, Analysis.source_url)).all()
    assert sorted(rows) == [("failed", None), ("succeeded", None)]


def test_batch_larger_than_the_queue_is_refused_for_good(make_rig: MakeRig) -> None:
    rig = make_rig(fetch_urls=True, fetcher=Net(), max_queue=2)
    answer = rig.client.post("/v1/batches", content='{"url": "https://example.org/a.png"}\n' * 3)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_batch")


def test_list_shows_scores_without_reading_reports(rig: Rig) -> None:
    made = rig.submit().json()
    (listed,) = rig.client.get("/v1/analyses").json()["items"]
    assert (listed["authenticity"], listed["report"]) == (made["authenticity"], None)

"""Jobs are never lost and never done twice: leases, heartbeats, fencing, shutdown, retention."""

from __future__ import annotations

import io
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text, update

from api.blobs import BlobStore
from api.database import HEAD, Analysis, Base, Database
from api.jobs.records import NewJob, Outcome, Replay
from api.jobs.retention import Eraser
from api.jobs.store import JobStore
from api.settings import Settings
from tests.unit.api.conftest import MakeRig, png

REPORT = {"verdict": "inconclusive", "media": None, "path": "", "authenticity": 0.5, "evidence": []}


POSTGRES = os.environ.get("WITNESSMARK_TEST_POSTGRES", "")
"""URL of an empty PostgreSQL database that these tests may erase, postgresql://user@host/name; empty = not tested."""


@pytest.fixture(params=["sqlite", *(["postgresql"] if POSTGRES else [])])
def store(request: pytest.FixtureRequest, tmp_path: Path, empty_database: Path) -> Iterator[JobStore]:
    if request.param == "postgresql":
        settings = Settings(data_dir=tmp_path, database_url=POSTGRES)
        database = Database(settings.database)
        with database.engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        database.upgrade()
    else:
        shutil.copy(empty_database, tmp_path / "service.db")
        settings = Settings(data_dir=tmp_path)
        database = Database(settings.database)
    yield JobStore(database, settings, "f" * 64)
    database.close()


def new(store: JobStore, number: int = 0) -> str:
    row, _ = store.submit(NewJob(owner="o", name="n", blob=f"b{number}", sha256=f"{number:064x}", size=1))
    return row.id


def claim(store: JobStore, worker: str, *, stage: str) -> Analysis | None:
    return next(iter(store.claim(worker, stage=stage)), None)


def silence(store: JobStore) -> None:
    """Let all leases run out, as those of a worker that fell silent do."""
    with store.database.write() as session:
        session.execute(update(Analysis).values(lease_until=time.time() - 1))


def test_migrations_make_exactly_the_tables_of_the_code(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/a.db")
    database.upgrade()
    database.upgrade()  # a second start changes nothing
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == HEAD
        assert compare_metadata(context, Base.metadata) == []
    database.close()


def test_sqlite_runs_with_wal(store: JobStore) -> None:
    if not store.database.is_sqlite:
        pytest.skip("of SQLite alone")
    with store.database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_many_workers_claim_each_job_once(store: JobStore) -> None:
    ids = {new(store, number) for number in range(40)}
    claimed: list[str] = []

    def work(name: str) -> None:
        while job := claim(store, name, stage="analyze"):
            claimed.append(job.id)
            store.finish(job, Outcome(report=dict(REPORT)))

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(ids)
    assert store.depth() == {"succeeded": 40}


def test_jobs_are_claimed_oldest_first(store: JobStore) -> None:
    ids = [new(store, number) for number in range(3)]
    claimed = [claim(store, "w", stage="analyze") for _ in ids]
    assert [job.id for job in claimed if job] == ids


def test_job_of_a_silent_worker_is_taken_up_and_the_old_result_is_refused(store: JobStore) -> None:
    job_id = new(store)
    lost = claim(store, "dead", stage="analyze")
    assert lost is not None
    assert claim(store, "other", stage="analyze") is None  # the lease still holds
    silence(store)
    taken = claim(store, "other", stage="analyze")
    assert taken is not None
    assert store.finish(lost, Outcome(error_code="late")) is False
    assert store.finish(taken, Outcome(report=dict(REPORT))) is True
    assert store.finish(taken, Outcome(error_code="twice")) is False
    row = store.get(job_id, None)
    assert row is not None
    assert (row.status, row.error_code) == ("succeeded", None)


def test_same_worker_is_fenced_too_when_it_claims_again(store: JobStore) -> None:
    new(store)
    lost = claim(store, "w", stage="analyze")
    silence(store)
    taken = claim(store, "w", stage="analyze")
    assert lost is not None
    assert taken is not None
    assert store.finish(lost, Outcome(error_code="late")) is False
    assert store.finish(taken, Outcome(report=dict(REPORT))) is True


def test_heartbeat_keeps_the_lease(store: JobStore) -> None:
    job_id = new(store)
    claim(store, "w", stage="analyze")
    silence(store)
    store.heartbeat("w", [job_id])
    assert claim(store, "other", stage="analyze") is None


def test_job_that_kills_its_workers_ends_as_failed(store: JobStore) -> None:
    job_id = new(store)
    for _ in range(store.settings.max_attempts):
        assert claim(store, "dies", stage="analyze") is not None
        silence(store)
    assert claim(store, "dies", stage="analyze") is None
    row = store.get(job_id, None)
    assert row is not None
    assert (row.status, row.error_code) == ("failed", "worker_lost")


def test_released_job_is_free_at_once_and_the_try_does_not_count(store: JobStore) -> None:
    new(store)
    claim(store, "w", stage="analyze")
    store.release("w")
    again = claim(store, "other", stage="analyze")
    assert again is not None
    assert again.attempts == 1


def test_jobs_of_a_stopped_service_are_done_by_the_next(make_rig: MakeRig) -> None:
    first = make_rig(has_worker=False)
    place = first.client.post("/v1/analyses", files={"file": ("a.png", png())}).headers["location"]
    second = make_rig()  # the same folder
    assert second.client.get(place, headers={"Prefer": "wait=10"}).json()["status"] == "succeeded"


def test_shutdown_lets_the_running_job_end(make_rig: MakeRig) -> None:
    rig = make_rig()
    job_id = rig.client.post("/v1/analyses", files={"file": ("a.png", png(comment=b"SLOW"))}).json()["id"]
    while rig.service.store.depth().get("running") != 1:
        time.sleep(0.01)
    worker = rig.service.worker
    assert worker is not None
    assert worker.stop(5.0) is True
    row = rig.service.store.get(job_id, None)
    assert row is not None
    assert row.status == "succeeded"


def test_retention_erases_files_then_results_then_the_tombstone(make_rig: MakeRig) -> None:
    rig = make_rig()
    job_id = rig.submit().json()["id"]
    blobs = rig.service.settings.data_dir / "blobs"
    eraser = Eraser(rig.service.database, rig.service.blobs, rig.service.settings)

    def age(**values: float) -> None:
        with rig.service.database.write() as session:
            session.execute(update(Analysis).values(**values))

    eraser.run()
    assert list(blobs.iterdir())
    age(files_until=time.time() - 1)
    eraser.run()
    assert not list(blobs.iterdir())
    assert rig.client.get(f"/v1/analyses/{job_id}").json()["status"] == "succeeded"
    age(results_until=time.time() - 1)
    eraser.run()
    body = rig.client.get(f"/v1/analyses/{job_id}").json()
    assert (body["status"], body["name"], body["report"], body["sha256"]) == ("expired", "", None, None)
    assert rig.client.get(f"/v1/analyses/{job_id}/report.html").status_code == 410
    age(results_until=time.time() - 1)
    eraser.run()
    assert rig.client.get(f"/v1/analyses/{job_id}").status_code == 404


def test_files_of_cut_off_calls_are_erased(make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = make_rig()
    kept = rig.submit().json()
    rig.service.blobs.put(io.BytesIO(b"cut off"), max_bytes=100)
    monkeypatch.setattr("api.jobs.retention.ORPHAN_AGE_S", -1.0)
    Eraser(rig.service.database, rig.service.blobs, rig.service.settings).run()
    names = [path.name for path in (rig.service.settings.data_dir / "blobs").iterdir()]
    assert [name[:64] for name in names] == [kept["sha256"]]


def test_blob_store_works_on_other_file_systems() -> None:
    blobs = BlobStore("memory://wm-test")
    stored = blobs.put(io.BytesIO(b"abc"), max_bytes=10)
    assert blobs.open(stored.blob).read() == b"abc"
    blobs.erase(stored.blob)
    blobs.erase(stored.blob)


def test_same_key_in_two_processes_makes_one_job(store: JobStore) -> None:
    """Both look, both find nothing, both insert: the second must end with the first one's job, not with an error."""
    replay = Replay("k", "0" * 64)
    gate = threading.Barrier(2)
    look = JobStore._replayed

    def slow_look(self: JobStore, *given: object) -> object:
        found = look(self, *given)  # type: ignore[arg-type]
        if found is None and not self.database.is_sqlite and not gate.broken:
            gate.wait(5)
        return found

    made: list[tuple[str, bool]] = []

    def submit() -> None:
        row, is_replay = store.submit(NewJob(owner="o", blob="b", sha256="1" * 64, size=1), replay)
        made.append((row.id, is_replay))

    JobStore._replayed = slow_look  # type: ignore[method-assign,assignment]
    try:
        calls = [threading.Thread(target=submit) for _ in range(2)]
        for call in calls:
            call.start()
        for call in calls:
            call.join()
    finally:
        JobStore._replayed = look  # type: ignore[method-assign]
    assert len({job_id for job_id, _ in made}) == 1
    assert sorted(is_replay for _, is_replay in made) == [False, True]
    assert store.depth() == {"queued": 1}

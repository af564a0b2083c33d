"""Kill -9 the server and its worker at random moments while jobs come in; every accepted job must end exactly once.

    python benchmarks/serve_kill.py --jobs 500 --kills 20
    python benchmarks/serve_kill.py --jobs 500 --kills 20 --database postgresql://user@host/name

Both processes run `api.server.serve`, as `witnessmark serve --role api` and `--role worker` do, with the real Analyzer
on small pictures; `--judge-ms` puts a judge that sleeps in its place. Each worker notes every job that it ended in a
file of its own after the commit; a job noted twice was ended twice. Loopback only.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import random
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import alembic.command  # noqa: F401 - loaded before the forks, as are the next two
import httpx
import numpy as np
import onnxruntime  # noqa: F401
import psycopg  # noqa: F401
import torch  # noqa: F401
from PIL import Image

import api.app
import api.server
import detect.evidence.image
import detect.networks.image.onnx_runner
import detect.networks.image.patch_net  # noqa: F401
from api.jobs.records import Turn
from api.jobs.store import JobStore
from api.settings import Settings
from detect.types import Report, Verdict

LEASE_S = 3.0


class SleepingJudge:
    """Reads the file and sleeps; stands for the Analyzer."""

    fingerprint = "0" * 64
    width = 4

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def analyze(self, file: BinaryIO, *, name: str | None = None) -> Any:
        file.read()
        time.sleep(self.seconds)
        return Report(verdict=Verdict.INCONCLUSIVE, authenticity=0.5, media=None)


def run_role(role: Any, folder: Path, database: str, port: int, judge_ms: float) -> None:
    """Be one process of the service."""
    settings = Settings(
        data_dir=folder,
        database_url=database,
        port=port,
        log_level="error",
        lease_s=LEASE_S,
        poll_s=0.1,
        rate_limit="1000000/minute",
        max_queue=100_000,
        max_attempts=1000,  # a real service ends a job that has lost three workers; here all of them are killed
        check_stability=False,
    )
    if judge_ms:
        api.app.make_analyzer = lambda _: SleepingJudge(judge_ms / 1000)
    notes = (folder / f"ended-{os.getpid()}.txt").open("a", buffering=1)
    JobStore.turn = noted(JobStore.turn, notes)  # type: ignore[method-assign]
    api.server.serve(settings, role)


def noted(turn: Callable[..., Turn], notes: Any) -> Any:
    """Return a `JobStore.turn` that notes what it has ended."""

    def wrapped(store: JobStore, *given: Any, **options: Any) -> Turn:
        done = turn(store, *given, **options)
        for row in (*done.ended, *done.lost):
            if row is not None:
                notes.write(row.id + "\n")
        return done

    return wrapped


def make_picture(number: int, side: int = 160) -> bytes:
    """Return a small picture that no other number gives."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(0, 255, (side // 8, side // 8, 3), dtype=np.uint8)
    sink = io.BytesIO()
    Image.fromarray(coarse).resize((side, side)).save(sink, "JPEG", quality=85)
    return sink.getvalue()


class Processes:
    """The two processes under test, started again whenever they are killed.

    They are forked from this one, which has loaded everything and holds no thread and no database, so that a start
    costs milliseconds and kills can come close together.
    """

    def __init__(self, arguments: argparse.Namespace, folder: Path, port: int) -> None:
        self._arguments = (folder, arguments.database, port, arguments.judge_ms)
        self._fork = multiprocessing.get_context("fork")
        self.running: dict[str, Any] = {}

    def start(self, role: str) -> None:
        process = self._fork.Process(target=run_role, args=(role, *self._arguments))
        process.start()
        self.running[role] = process

    def kill(self, role: str) -> None:
        self.running[role].kill()
        self.running[role].join()

    def stop(self) -> None:
        for role in self.running:
            self.kill(role)


def submit(client: httpx.Client, number: int, deadline: float) -> str | None:
    """Submit one job until it is accepted; the key makes a repeated try the same job."""
    content = make_picture(number)
    while time.monotonic() < deadline:
        try:
            answer = client.post(
                "/v1/analyses",
                files={"file": (f"{number}.jpg", content)},
                headers={"Idempotency-Key": f"job-{number}"},
            )
            if answer.status_code in (200, 202):
                return str(answer.json()["id"])
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--judge-ms", type=float, default=0.0)
    parser.add_argument("--database", default="")
    parser.add_argument("--limit-s", type=float, default=3000.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(trial(arguments, Path(name)), indent=1))


def trial(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    chance = random.Random(arguments.seed)
    processes = Processes(arguments, folder, port)
    started = time.monotonic()
    deadline = started + arguments.limit_s
    processes.start("api")
    processes.start("worker")
    accepted: list[str | None] = []
    kills: Counter[str] = Counter()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            accepted.append(submit(client, 0, deadline))  # both are up before the first kill
            moments = sorted(chance.sample(range(1, arguments.jobs), arguments.kills))
            for number in range(1, arguments.jobs):
                if number in moments:
                    role = chance.choice(["api", "worker"])
                    time.sleep(chance.random() * 0.05)
                    processes.kill(role)
                    processes.start(role)
                    kills[role] += 1
                accepted.append(submit(client, number, deadline))
            statuses = wait_for_all(client, [item for item in accepted if item], deadline)
    finally:
        processes.stop()
    ended = Counter(line for path in folder.glob("ended-*.txt") for line in path.read_text().split())
    rows = stored(arguments.database, folder)
    return {
        "database": arguments.database.partition(":")[0] or "sqlite",
        "accepted": sum(item is not None for item in accepted),
        "distinct": len(set(accepted)),
        "killed": dict(kills),
        "statuses": dict(Counter(statuses.values())),
        "not_ended": sum(status not in ("succeeded", "failed") for status in statuses.values()),
        "ended_twice": sum(count > 1 for count in ended.values()),
        "rows": len(rows),
        "taken_up_again": sum(attempts > 1 for attempts in rows.values()),
        "seconds": round(time.monotonic() - started, 1),
    }


def stored(database: str, folder: Path) -> dict[str, int]:
    """Return the attempts of each analysis in the database."""
    from sqlalchemy import select

    from api.database import Analysis, Database

    opened = Database(Settings(data_dir=folder, database_url=database).database)
    with opened.read() as session:
        rows = {str(row.id): int(row.attempts) for row in session.execute(select(Analysis.id, Analysis.attempts))}
    opened.close()
    return rows


def wait_for_all(client: httpx.Client, ids: list[str], deadline: float) -> dict[str, str]:
    statuses = dict.fromkeys(ids, "queued")
    while time.monotonic() < deadline and any(status in ("queued", "running") for status in statuses.values()):
        for job_id, status in statuses.items():
            if status in ("queued", "running"):
                try:
                    statuses[job_id] = client.get(f"/v1/analyses/{job_id}", headers={"Prefer": "wait=5"}).json()[
                        "status"
                    ]
                except httpx.HTTPError:
                    time.sleep(0.2)
                except (KeyError, ValueError):
                    statuses[job_id] = "gone"
    return statuses


if __name__ == "__main__":
    main()

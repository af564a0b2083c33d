"""Scans on a cluster give the rows that scans here give, also when an actor dies."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from detect.scan import ScanPlan, scan
from detect.scan.items import Item
from detect.scan.ray import SEGMENT_CHUNKS, _take_segment
from tests.unit.cluster.actors import kill_actor

# Ray Data warns about settings that it reads itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
needs_ray = pytest.mark.skipif(
    not os.environ.get("WITNESSMARK_RAY_TESTS"), reason="starts a cluster; set WITNESSMARK_RAY_TESTS=1"
)


def rows_of(path: Path) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.read_table(path).drop_columns(["elapsed_ms"]).to_pylist()
    return rows


def test_a_segment_is_bounded_and_nothing_falls_between_two() -> None:
    source = iter([[Item(str(number))] for number in range(SEGMENT_CHUNKS + 3)])
    assert [len(_take_segment(source)) for _ in range(3)] == [SEGMENT_CHUNKS, 3, 0]


def test_bytes_that_travel_bound_a_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detect.scan.ray.SEGMENT_BYTES", 1400)
    source = iter([[Item(str(number), data=bytes(400))] for number in range(7)])
    assert [len(_take_segment(source)) for _ in range(4)] == [3, 3, 1, 0]


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    """A cluster of this machine, ending with the tests of this file."""
    pytest.importorskip("ray")
    from detect.cluster.connect import connect

    ray = connect()
    yield ray
    ray.shutdown()


@needs_ray
@pytest.mark.ray
@pytest.mark.timeout(600)
def test_a_cluster_gives_the_rows_of_this_machine(
    cluster: object, pictures: Path, make_plan: Callable[..., ScanPlan], tmp_path: Path
) -> None:
    from detect.scan.ray import make_executor

    local, remote = make_plan(pictures), make_plan(pictures, out=tmp_path / "ray.parquet")
    scan(local)
    scan(remote, make_executor=make_executor)
    assert rows_of(remote.out) == rows_of(local.out)


@needs_ray
@pytest.mark.ray
@pytest.mark.timeout(600)
def test_a_killed_actor_loses_and_doubles_nothing(
    cluster: object, pictures: Path, make_plan: Callable[..., ScanPlan], tmp_path: Path
) -> None:
    from detect.scan.ray import make_executor

    names = [f"{pictures}/{number % 4}.png" for number in range(60)]
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(names))
    plan = make_plan(listed, out=tmp_path / "killed.parquet", chunk_items=2)
    killed: list[int] = []

    def kill(summary: object) -> None:
        if not killed:
            killed.append(kill_actor("ray::MapWorker"))

    scan(plan, make_executor=make_executor, on_progress=kill)
    assert killed
    rows = rows_of(plan.out)
    assert [row["name"] for row in rows] == names
    assert all(row["error_code"] is None for row in rows)

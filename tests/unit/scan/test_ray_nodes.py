"""A node that dies under a scan, and never comes back, costs no row."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from detect.scan import ScanPlan, scan
from tests.unit.cluster.actors import kill_actor

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Ray Data warns about settings that it reads itself
    pytest.mark.ray,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not os.environ.get("WITNESSMARK_RAY_TESTS"), reason="starts a cluster; set WITNESSMARK_RAY_TESTS=1"
    ),
]


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cluster of two local nodes of one core each; the second one can be taken away."""
    pytest.importorskip("ray")
    for name, value in {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_worker_niceness": "0",
        "RAY_worker_register_timeout_seconds": "300",
    }.items():
        monkeypatch.setenv(name, value)
    import ray
    from ray.cluster_utils import Cluster

    size = {"num_cpus": 1, "object_store_memory": 200 * 1024**2}
    cluster = Cluster(initialize_head=True, connect=False, head_node_args={"include_dashboard": False, **size})
    cluster.second = cluster.add_node(**size)
    cluster.wait_for_nodes()
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def test_a_killed_actor_and_then_a_killed_node_lose_and_double_nothing(
    two_nodes: Any, pictures: Path, make_plan: Callable[..., ScanPlan], tmp_path: Path
) -> None:
    from detect.scan.ray import RayData

    names = [f"{pictures}/{number % 4}.png" for number in range(120)]
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(names))
    plan = make_plan(listed, out=tmp_path / "killed.parquet", chunk_items=2, processes=2)
    killed: list[object] = []

    def kill(summary: Any) -> None:
        if not killed:
            killed.append(kill_actor("ray::MapWorker"))
        elif len(killed) == 1 and summary.rows >= len(names) / 3:
            killed.append(two_nodes.second)
            two_nodes.remove_node(two_nodes.second, allow_graceful=False)

    scan(plan, make_executor=lambda plan, known: RayData(plan, address=two_nodes.address), on_progress=kill)
    assert len(killed) == 2
    table = pq.read_table(plan.out)
    assert table["name"].to_pylist() == names
    assert table["error_code"].null_count == len(names)

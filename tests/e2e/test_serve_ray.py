"""`witnessmark serve --engine ray`: the local engine's Reports, shared batches, back-pressure, lost replicas."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from detect.analyzer import Analyzer, AnalyzerSettings
from detect.networks.zoo import list_models
from detect.render.json import dumps
from detect.serialize import report_from_dict
from tests.serving import serving
from tests.unit.cluster.actors import kill_actor

MAX_QUEUE = 8
START_S = 400

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.ray,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not list_models(), reason="needs the trained models"),
    pytest.mark.skipif(
        not os.environ.get("WITNESSMARK_RAY_TESTS"), reason="starts a cluster; set WITNESSMARK_RAY_TESTS=1"
    ),
]


@dataclass(frozen=True)
class Served:
    """A running service and the handle of its replicas."""

    url: str
    handle: Any


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The service in a process of its own, on a cluster of this machine that it is told of."""
    pytest.importorskip("ray.serve")
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    os.environ |= {"RAY_worker_niceness": "0", "RAY_worker_register_timeout_seconds": "300"}
    import ray
    from ray import serve
    from ray.cluster_utils import Cluster

    size = {"num_cpus": 2, "object_store_memory": 200 * 1024**2, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, connect=False, head_node_args=size)
    variables = {
        "WITNESSMARK_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "WITNESSMARK_RAY_ADDRESS": cluster.address,
        "WITNESSMARK_MAX_QUEUE": str(MAX_QUEUE),
    }
    try:
        with serving("--engine", "ray", "--device", "cpu", timeout_s=START_S, **variables) as url:
            ray.shutdown()  # a connection that tests before this one left open
            ray.init(cluster.address, log_to_driver=False, configure_logging=False)
            yield Served(url, serve.get_app_handle("witnessmark"))
    finally:
        ray.shutdown()
        cluster.shutdown()


def picture(number: int, codec: str = "JPEG") -> bytes:
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(0, 255, (32, 40, 3), dtype=np.uint8)).resize((320, 256))
    noise = rng.integers(0, 12, (256, 320, 3), dtype=np.uint8)
    sink = io.BytesIO()
    Image.fromarray(np.asarray(coarse) // 2 + noise).save(sink, codec)
    return sink.getvalue()


def post(url: str, content: bytes, name: str, *, wait_s: int = 0) -> httpx.Response:
    headers = {"Prefer": f"wait={wait_s}"} if wait_s else {}
    return httpx.post(f"{url}/v1/analyses", files={"file": (name, content)}, headers=headers, timeout=120)


def end_of(url: str, analysis_id: str) -> dict[str, Any]:
    """Wait for an analysis and return it."""
    for _ in range(20):
        body: dict[str, Any] = httpx.get(
            f"{url}/v1/analyses/{analysis_id}", headers={"Prefer": "wait=30"}, timeout=60
        ).json()
        if body["status"] in ("succeeded", "failed"):
            return body
    raise AssertionError(f"{analysis_id} does not end")


@pytest.mark.parametrize("codec", ["JPEG", "PNG", "WEBP"])
def test_a_posted_picture_gets_the_report_of_the_local_engine(served: Served, codec: str) -> None:
    content, name = picture(1, codec), f"photo.{codec.lower()}"
    body = post(served.url, content, name, wait_s=30).json()
    if body["status"] != "succeeded":
        body = end_of(served.url, body["id"])
    remote = report_from_dict(body["report"])
    # `path` and `locate` as the service has them; timings are the only thing that may differ.
    here = Analyzer(AnalyzerSettings(device="cpu")).analyze(io.BytesIO(content), name=name)
    assert dumps(replace(remote, timings_ms={})) == dumps(replace(here, timings_ms={}))


def test_a_broken_picture_fails_with_the_librarys_code(served: Served) -> None:
    body = post(served.url, picture(2, "PNG")[:2000], "cut.png", wait_s=30).json()
    assert end_of(served.url, body["id"])["error"]["code"] == "corrupt_media"


def test_many_at_once_share_a_replica_and_too_many_are_refused_politely_though_it_dies(served: Served) -> None:
    contents = [picture(100 + number) for number in range(5 * MAX_QUEUE)]
    answers: list[httpx.Response] = []

    def send(content: bytes) -> None:
        answers.append(post(served.url, content, "many.jpg"))

    threads = [threading.Thread(target=send, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    most_files = served.handle.load.remote().result(timeout_s=60)["most_files"]
    kill_actor("ray::ServeReplica")
    refused = [answer for answer in answers if answer.status_code == 503]
    accepted = [answer for answer in answers if answer.status_code in (200, 202)]
    assert len(refused) + len(accepted) == len(contents)
    assert refused
    for answer in refused:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "queue_full"
        assert int(answer.headers["Retry-After"]) > 0
    assert len(accepted) >= MAX_QUEUE
    ends = [end_of(served.url, answer.json()["id"]) for answer in accepted]
    assert {end["status"] for end in ends} == {"succeeded"}
    assert len({end["id"] for end in ends}) == len(accepted)
    assert most_files > 1  # their patches went through one engine together
    assert post(served.url, picture(99), "later.jpg", wait_s=30).status_code in (200, 202)

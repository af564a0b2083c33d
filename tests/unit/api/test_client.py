"""The typed client against a live server on loopback."""

from __future__ import annotations

import asyncio
import importlib.util
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.app import make_service
from api.settings import Settings
from detect.client import AsyncClient, Client, ServiceError
from detect.client.wire import pause_s
from detect.types import Verdict
from tests.unit.api.conftest import png, serving
from tests.unit.api.fake import FakeAnalyzer


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("live"), poll_s=0.02)
    fake = FakeAnalyzer()
    service = make_service(settings, make_judge=lambda: fake)
    with serving(service) as address:
        yield address


def test_client_does_the_whole_round(url: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(png(1))
    with Client(url) as client:
        analysis = client.analyze(path)
        assert analysis.report is not None
        assert analysis.report.verdict is Verdict.LIKELY_SYNTHETIC
        assert analysis.body["name"] == "photo.png"
        assert client.get(analysis.id).report == analysis.report
        assert analysis.id in [item.id for item in client.iterate()]
        assert client.list(limit=1).items[0].report is None
        assert client.download(analysis.id, "report.html").startswith(b"<!doctype html>")
        assert client.models()["fingerprint"]
        assert client.provenance(png(1))["format"] == "png"
        client.erase(analysis.id)
        with pytest.raises(ServiceError) as caught:
            client.get(analysis.id)
        assert (caught.value.status, caught.value.code) == (404, "not_found")


def test_failed_file_is_a_result_and_refused_call_an_error(url: str) -> None:
    with Client(url) as client:
        broken = client.analyze(png(2, comment=b"BROKEN"))
        assert (broken.status, broken.error_code, broken.report) == ("failed", "corrupt_media", None)
        with pytest.raises(ServiceError) as caught:
            client.submit_url("https://example.org/a.png")
        assert caught.value.code == "urls_disabled"


def test_async_client_judges_many_at_once(url: str) -> None:
    async def run() -> list[str | None]:
        async with AsyncClient(url) as client:
            found = await asyncio.gather(*(client.analyze(png(seed)) for seed in range(10, 14)))
            assert [item.id async for item in client.iterate()]
            return [item.verdict for item in found]

    assert asyncio.run(run()) == ["likely_synthetic"] * 4


def test_busy_service_is_asked_again_with_the_same_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        if len(keys) == 1:
            raise httpx.ConnectError("cut", request=request)
        problem = {"code": "queue_full", "detail": "full"}
        return httpx.Response(503, json=problem, headers={"Retry-After": "1"})

    with Client(transport=httpx.MockTransport(answer)) as client, pytest.raises(ServiceError) as caught:
        client.submit(b"x")
    assert caught.value.code == "queue_full"
    assert len(keys) == 4
    assert len(set(keys)) == 1


def test_pause_honours_retry_after_and_ends() -> None:
    assert pause_s(httpx.Response(429, headers={"Retry-After": "7"}), 1) == 7
    assert pause_s(httpx.Response(404), 1) is None
    assert pause_s(None, 4) is None


def test_the_plain_client_is_what_the_asynchronous_one_makes() -> None:
    root = Path(__file__).parents[3]
    spec = importlib.util.spec_from_file_location("sync_client", root / "scripts" / "sync_client.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    source = (root / "detect/client/asynchronous.py").read_text(encoding="utf-8")
    assert script.make_sync(source) == (root / "detect/client/sync.py").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="nothing to replace"):
        script.make_sync("")


def test_waiting_for_the_start_ends_when_the_service_is_ready_or_time_is_up() -> None:
    answers = iter((httpx.ConnectError("refused"), httpx.Response(503), httpx.Response(200)))

    def answer(request: httpx.Request) -> httpx.Response:
        given = next(answers, httpx.Response(503))
        if isinstance(given, Exception):
            raise given
        return given

    with Client(transport=httpx.MockTransport(answer)) as client:
        client.wait_until_ready(timeout_s=30)
        with pytest.raises(ServiceError, match="not ready within 0 s"):
            client.wait_until_ready(timeout_s=0)

"""A whole service over a small Analyzer, in a folder of its own."""

from __future__ import annotations

import contextlib
import io
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from fastapi.testclient import TestClient
from PIL import Image

from api.app import create_app, make_service
from api.database import Database
from api.remote import RemoteFetcher, RemoteFile
from api.settings import Settings
from api.state import Service
from api.urls import UrlUnreachableError
from tests.unit.api.fake import FakeAnalyzer

BASE_URL = "http://127.0.0.1:8000"


def png(seed: int = 0, *, comment: bytes = b"") -> bytes:
    """Return a small PNG whose bytes depend on the seed; a comment after its end steers the fake."""
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG")
    return sink.getvalue() + comment


@dataclass
class Rig:
    """A running service with its client and its fake."""

    client: TestClient
    service: Service
    fake: FakeAnalyzer

    def submit(self, content: bytes | None = None, *, name: str = "a.png", **headers: str) -> Any:
        """Submit a file and wait for its end."""
        return self.client.post(
            "/v1/analyses",
            files={"file": (name, png() if content is None else content)},
            headers={"Prefer": "wait=10", **{key.replace("_", "-"): value for key, value in headers.items()}},
        )


@contextlib.contextmanager
def serving(service: Service) -> Iterator[str]:
    """Serve on a free port of loopback; gives the address."""
    config = uvicorn.Config(create_app(service=service), host="127.0.0.1", port=0, log_config=None, lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


class Net(RemoteFetcher):
    """A fetcher whose network is a table; forms are still checked."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}
        self.posted: list[tuple[str, bytes, dict[str, str]]] = []
        self.answer: tuple[int, Mapping[str, str]] = (204, {})

    @contextlib.contextmanager
    def fetch(self, url: str) -> Iterator[RemoteFile]:
        """Give a file of the table."""
        self.check(url)
        if url not in self.files:
            raise UrlUnreachableError("the URL could not be fetched")
        yield RemoteFile(io.BytesIO(self.files[url]), url.rsplit("/", 1)[-1])

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str]]:
        """Keep what is sent."""
        self.posted.append((url, body, dict(headers)))
        return self.answer


MakeRig = Callable[..., Rig]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an upgraded database without rows: migrating once is enough."""
    path = tmp_path_factory.mktemp("database") / "service.db"
    database = Database(f"sqlite:///{path}")
    database.upgrade()
    database.close()
    return path


@pytest.fixture
def make_rig(tmp_path: Path, empty_database: Path) -> Iterator[MakeRig]:
    """Return a function that starts a service with the settings given."""
    running: list[TestClient] = []
    (tmp_path / "data").mkdir()
    shutil.copy(empty_database, tmp_path / "data" / "service.db")

    def make(*, has_worker: bool = True, fetcher: RemoteFetcher | None = None, **settings: Any) -> Rig:
        known: dict[str, Any] = {"data_dir": tmp_path / "data", "poll_s": 0.02, "drain_s": 5.0, **settings}
        fake = FakeAnalyzer()
        service = make_service(Settings(**known), make_judge=lambda: fake, fetcher=fetcher, has_worker=has_worker)
        client = TestClient(create_app(service=service), base_url=BASE_URL, raise_server_exceptions=False)
        client.__enter__()
        running.append(client)
        return Rig(client, service, fake)

    yield make
    for client in running:
        client.__exit__(None, None, None)


@pytest.fixture
def rig(make_rig: MakeRig) -> Rig:
    """Return a service with the default settings."""
    return make_rig()

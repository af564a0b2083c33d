"""What `docs/api.md` shows is true: each curl line works against a running service, the table holds all settings."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
from pydantic_core import PydanticUndefined

from api.app import create_app, make_service
from api.settings import Settings
from tests.unit.api.conftest import Net, png, serving
from tests.unit.api.fake import FakeAnalyzer

PAGE = Path(__file__).parents[3] / "docs" / "api.md"
LINES = [
    line.strip().partition("  #")[0]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("    curl ")
]


@dataclass(frozen=True)
class Live:
    """A service with things in it, and a folder with files to send."""

    url: str
    folder: Path
    ids: dict[str, str]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("docs")
    (folder / "photo.jpg").write_bytes(png(1))
    (folder / "urls.jsonl").write_text('{"url": "https://example.org/photo.jpg", "name": "a"}\n')
    net = Net()
    net.files["https://example.org/photo.jpg"] = png(2)
    settings = Settings(
        data_dir=folder / "data",
        poll_s=0.02,
        fetch_urls=True,
        webhooks=True,
        webhook_secrets=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],  # type: ignore[list-item]
    )
    with serving(make_service(settings, make_judge=FakeAnalyzer, fetcher=net)) as url:
        ids = {name: submit(url, content) for name, content in {"picture": png(3), "sound": tone()}.items()}
        batch = httpx.post(f"{url}/v1/batches", content=(folder / "urls.jsonl").read_bytes()).json()["id"]
        yield Live(url, folder, {**ids, "batch": batch})


def submit(url: str, content: bytes) -> str:
    answer = httpx.post(f"{url}/v1/analyses", files={"file": ("a", content)}, headers={"Prefer": "wait=20"})
    assert answer.json()["status"] == "succeeded", answer.text
    return str(answer.json()["id"])


def tone() -> bytes:
    sink = io.BytesIO()
    soundfile.write(sink, 0.3 * np.sin(np.arange(16_000)), 16_000, format="WAV")
    return sink.getvalue()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("line", LINES)
def test_curl_line_works(live: Live, line: str) -> None:
    if "report.pdf" in line and importlib.util.find_spec("weasyprint") is None:
        pytest.skip("needs the extra report")
    kind = "sound" if "sound.wav" in line or "spectrogram" in line else "picture"
    variables = {"S": live.url, "ID": live.ids[kind], "BATCH": live.ids["batch"]}
    if "DELETE" in line:
        variables["ID"] = submit(live.url, png(99))
    done = subprocess.run(
        ["bash", "-c", line.replace("curl ", "curl --fail-with-body ", 1)],
        cwd=live.folder,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        timeout=110,
    )
    assert done.returncode == 0, (done.stdout[-500:], done.stderr[-500:])


def test_every_operation_has_a_curl_line(live: Live) -> None:
    document = create_app(Settings(data_dir=live.folder / "other")).openapi()
    operations = {(method, path) for path, methods in document["paths"].items() for method in methods}
    shown = set()
    for line in LINES:
        found = re.search(r"\$S(/[^\s\"?]*)", line)
        assert found, line
        path = found.group(1).replace("$ID", "{analysis_id}").replace("$BATCH", "{batch_id}")
        is_post = any(mark in line for mark in (" -F ", "--json", "--data-binary"))
        shown.add(("post" if is_post else "delete" if "DELETE" in line else "get", path))
    assert operations <= shown


def test_table_of_settings_is_that_of_the_class() -> None:
    rows = []
    for name, field in Settings.model_fields.items():
        default = "per user" if name == "data_dir" else field.get_default(call_default_factory=True)
        assert default is not PydanticUndefined
        shown = default if name == "data_dir" else repr(default)
        rows.append(f"| `{name}` | `{shown}` | {field.description} |")
    table = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert table == rows

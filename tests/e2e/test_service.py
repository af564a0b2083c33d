"""The service as people start it: `witnessmark serve`, the real Analyzer, the client, the page in a browser."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from detect.client import Client
from detect.networks.zoo import list_models
from tests.serving import serving
from tests.unit.api.clips import make_clip

HERE = Path(__file__).parent
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
NODE_MODULES = os.environ.get("WITNESSMARK_NODE_MODULES")  # a folder with playwright-core and axe-core

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not list_models(), reason="needs the trained models"),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(WITNESSMARK_DATA_DIR=str(tmp_path_factory.mktemp("data"))) as url:
        yield url


def test_picture_gets_the_report_that_the_library_gives(served: str, tmp_path: Path) -> None:
    from detect import analyze

    path = tmp_path / "noise.png"
    noise = np.random.default_rng(1).integers(0, 255, (256, 320, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    with Client(served) as client:
        remote = client.analyze(path).report
        broken = client.analyze(path.read_bytes()[:2000], name="cut.png")
    local = analyze(path)
    assert remote is not None
    assert local.authenticity is not None
    assert remote.verdict == local.verdict
    assert remote.authenticity == pytest.approx(local.authenticity, abs=1e-4)
    assert remote.media is not None
    assert remote.media.name == "noise.png"
    assert (broken.status, broken.error_code) == ("failed", "corrupt_media")


@pytest.mark.timeout(1300)
@pytest.mark.skipif(not (CHROMIUM and NODE_MODULES and shutil.which("node")), reason="needs chromium and node modules")
def test_page_works_by_mouse_keyboard_and_without_script_and_axe_finds_nothing(served: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for name in ("slow", "photo", "keyboard", "noscript"):
        Image.fromarray(rng.integers(0, 255, (256, 320, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "photo.png").read_bytes()[:2000])
    moments = np.arange(5 * 16_000) / 16_000
    soundfile.write(tmp_path / "sound.wav", 0.2 * np.sin(2 * np.pi * (200 + 40 * moments) * moments), 16_000)
    (tmp_path / "clip.mp4").write_bytes(make_clip(width=320, height=256))
    done = subprocess.run(
        ["node", str(HERE / "page.mjs"), served, str(tmp_path), str(tmp_path)],
        cwd=NODE_MODULES,
        env={**os.environ, "CHROMIUM": str(CHROMIUM)},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {state: rules for state, rules in found["violations"].items() if rules} == {}
    assert found["foreign"] == []
    steps = found["steps"]
    assert steps["keyboard"] == "done"
    assert steps["noScript"] == "/a/"
    assert steps["waveform"] == 1
    assert steps["scrubber"]
    assert steps["phoneOverflow"] <= 0
    assert "unsupported_media" in steps["dropped"]
    assert steps["offline"]
    assert steps["bookmark"] == "picture /"
    assert steps["focusAfterError"] == "file"
    assert "corrupt_media" in steps["broken"]

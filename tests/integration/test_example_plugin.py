"""The example package, built and installed on its own: its parts reach the command by entry points."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

EXAMPLE = Path(__file__).parents[2] / "examples" / "plugin"
BLOCK = slice(24, 84)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Path:
    """Return a folder that holds the installed example, with a model in it as its README says."""
    home = tmp_path_factory.mktemp("example")
    shutil.copytree(EXAMPLE, home / "plugin")
    shutil.copytree(tiny_models, home / "plugin/src/witnessmark_example/models")
    words = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    command = [sys.executable, *words, "--target", str(home / "site"), str(home / "plugin")]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    return home / "site"


@pytest.fixture
def witnessmark(site: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return the command in a process that sees the installed example."""

    def call(*words: object, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", **variables}
        command = [sys.executable, "-m", "detect.cli", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)

    return call


@pytest.fixture
def cloned(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(5).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    pixels[150:210, 131:191] = pixels[BLOCK, BLOCK]
    Image.fromarray(pixels).save(tmp_path / "cloned.png")
    return tmp_path / "cloned.png"


def test_evidence_takes_part_only_when_named(
    witnessmark: Callable[..., subprocess.CompletedProcess[str]], cloned: Path
) -> None:
    words = ("analyze", "--json", "--quick", "--no-provenance", cloned)
    without = json.loads(witnessmark(*words, WITNESSMARK_MODELS="example").stdout)
    report = json.loads(witnessmark(*words, WITNESSMARK_MODELS="example", WITNESSMARK_PLUGINS="copied-blocks").stdout)
    assert not [item for item in without["evidence"] if item["source"].startswith("example.")]
    (item,) = [item for item in report["evidence"] if item["source"] == "example.copied_blocks"]
    assert item["llr"] > 0 and item["where"]["regions"]
    assert report["authenticity"] < without["authenticity"]
    assert "plugins_took_part" in {limit["code"] for limit in report["limits"]}
    assert report["pipeline"]["fingerprint"] != without["pipeline"]["fingerprint"]


def test_models_of_the_package_and_its_detector_are_found(
    witnessmark: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    assert witnessmark("models", "list", "--models-dir", "example").stdout.startswith("image")
    assert "copied-blocks" in witnessmark("bench", "list", "detectors").stdout
    lines = [json.loads(line) for line in witnessmark("doctor", "--json").stdout.splitlines()]
    (line,) = [line for line in lines if line["area"] == "plug-ins"]
    assert line["mend"] == "export WITNESSMARK_PLUGINS=copied-blocks"


def test_the_example_passes_its_own_tests(site: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(EXAMPLE),
        "-c",
        os.devnull,
    ]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [*command, str(EXAMPLE / "tests")], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stdout

"""The README does what it says: its Python runs, its commands exist, its files are there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detect.cli.app import available
from detect.networks.zoo import list_models
from detect.types import Verdict

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not list_models(ROOT / "models"), reason="no trained model in this checkout")
@pytest.mark.parametrize("code", blocks("python"))
def test_python_examples_run(code: str, tmp_path: Path) -> None:
    rows, columns = np.mgrid[0:300, 0:400]
    noise = np.random.default_rng(1).normal(0, 6, (300, 400, 3))
    pixels = np.stack([rows / 2, columns / 2, (rows + columns) / 3], axis=2) + noise
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(tmp_path / "photo.jpg", quality=90)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    verdict, authenticity, *_ = done.stdout.splitlines()
    assert verdict in list(Verdict)
    assert 0.0 <= float(authenticity) <= 1.0


def test_commands_of_the_examples_exist() -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.strip()]
    for line in lines:
        words = shlex.split(line, comments=True)
        if words[0] == "bash":
            assert (ROOT / words[1]).is_file()
        if words[0] == "witnessmark" and "." not in words[1] and not words[1].startswith("-"):
            assert words[1] in available()


def test_links_lead_to_files() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert targets
    assert [target for target in targets if "://" not in target and not (ROOT / target).exists()] == []


def test_verdict_table_lists_every_verdict() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", README, flags=re.MULTILINE)) == set(Verdict)


def test_ci_calls_the_second_command() -> None:
    assert "bash scripts/test.sh" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "bash scripts/test.sh" in README

"""`witnessmark bench` and `calibrate` from the outside: exit codes, stdout for data, stderr for the rest."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from detect.cli.app import run

TOY = """
import numpy as np
from PIL import Image

def checker(path):
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("L"), dtype=float)
    rows, columns = np.indices(pixels.shape)
    return {"llr": abs((pixels * (1 - 2 * ((rows + columns) % 2))).mean()) * 2 - 2.5}

def leaky(path):
    with Image.open(path) as picture:
        return 0.9 if picture.info.get("Comment") == "fake" else 0.1
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    (tmp_path / "toy.py").write_text(TOY)
    return tmp_path / "toy.py"


def bench(*words: object) -> int:
    return run(["bench", *map(str, words), "--replicates", "30"])


def test_measuring_writes_every_report_and_prints_the_tables(
    make_manifest: Callable[..., Path], toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_manifest(12, split="train")
    manifest, out = make_manifest(9, split="val"), tmp_path / "run"
    code = bench("image", "--manifest", manifest, "--detector", f"toy={toy}:checker", "--out", out)
    shown = capsys.readouterr()
    assert code == 0
    assert "| toy | clean | 9+9 | 1.000" in shown.out and "| trivial | none |" in shown.out
    assert "written:" in shown.err and "| toy |" not in shown.err
    names = {"predictions.parquet", "metrics.json", "report.md", "report.html", "tables.tex", "run.json", "plots"}
    assert names <= {path.name for path in out.iterdir()}
    assert bench("report", out, "--json") == 0
    metrics = json.loads(capsys.readouterr().out)
    assert metrics["run"]["about"]["split"] == "val"
    assert {cell["detector"] for cell in metrics["results"]} == {"toy", "trivial"}


def test_audit_of_a_deliberately_leaky_detector_catches_it(
    make_manifest: Callable[..., Path], toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    manifest = make_manifest(10)
    for index in range(1, 20, 2):  # the generated ones carry their maker's text chunk
        note = PngInfo()
        note.add_text("Comment", "fake")
        with Image.open(tmp_path / f"val-{index}.png") as picture:
            picture.save(tmp_path / f"val-{index}.png", pnginfo=note)
    words = (manifest, "--train-split", "", "--fail-if-leaky")
    assert bench("audit", f"leaky={toy}:leaky", *words, "--out", tmp_path / "a") == 3
    assert "LEAKY" in capsys.readouterr().out
    assert json.loads((tmp_path / "a" / "audit.json").read_text())["shortcut_index"] == 1.0
    assert bench("audit", f"honest={toy}:checker", *words, "--out", tmp_path / "b") == 0
    assert "No shortcut shown" in capsys.readouterr().out


def test_calibrate_fits_a_run_and_prints_held_out_figures(
    make_manifest: Callable[..., Path], toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--manifest", make_manifest(15), "--perturbation", "none", "--train-split", "", "--out", tmp_path / "run")
    assert bench("image", *words, "--detector", f"toy={toy}:checker") == 0
    capsys.readouterr()
    assert run(["calibrate", str(tmp_path / "run"), "--detector", "toy", "--out", str(tmp_path / "cal")]) == 0
    assert "held-out Cllr" in capsys.readouterr().out
    assert json.loads((tmp_path / "cal" / "calibration.json").read_text())["n_sources"] == 3
    assert run(["calibrate", str(tmp_path / "run"), "--detector", "ours", "--out", str(tmp_path / "cal")]) == 2
    assert "there are: toy" in capsys.readouterr().err


def test_scores_made_elsewhere_need_no_media(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One of four bona fide above one of four spoofs: an EER of exactly 25 %, as the paper's own scorer would say."""
    keys = ["bonafide"] * 4 + ["spoof"] * 4
    scores = [9.0, 8.0, 7.0, 2.0, 2.5, 3.0, 1.0, 0.0]
    protocol = [f"S{i % 2} U{i} - {'-' if key == 'bonafide' else 'A07'} {key}" for i, key in enumerate(keys)]
    (tmp_path / "trl.txt").write_text("\n".join(protocol))
    (tmp_path / "scores.txt").write_text("\n".join(f"U{i} x {value}" for i, value in enumerate(scores)))
    words = ("--manifest", tmp_path / "trl.txt", "--larger-is", "real", "--out", tmp_path / "run", "--json")
    assert bench("import", tmp_path / "scores.txt", *words) == 0
    (cell,) = json.loads(capsys.readouterr().out)["results"]
    assert cell["ranking"]["eer"]["value"] == pytest.approx(0.25)
    assert cell["ranking"]["auroc"]["value"] == pytest.approx(14 / 16)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("report", "/no/such/run"), "holds no predictions"),
        (("image", "--manifest", "/no/such.jsonl", "--out", "/tmp/none"), "does not exist"),
        (("list", "cats"), "cannot list"),
    ],
)
def test_wrong_words_exit_with_two(words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", *words]) == 2
    assert message in capsys.readouterr().err


def test_lists_name_versions_and_licences(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "list", "perturbations", "--kind", "audio"]) == 0
    assert "| laundered@1 |" in capsys.readouterr().out
    assert run(["bench", "list", "peers"]) == 0
    assert "clovaai/aasist" in capsys.readouterr().out


def documented_commands() -> list[list[str]]:
    text = (Path(__file__).resolve().parents[3] / "docs" / "bench.md").read_text(encoding="utf-8")
    lines = [line.strip() for block in text.split("```")[1::2] for line in block.splitlines()]
    found = [shlex.split(line)[1:] for line in lines if line.startswith("witnessmark ")]
    return [words for words in found if words[0] in ("bench", "calibrate")]


@pytest.mark.parametrize("words", documented_commands(), ids=lambda words: " ".join(words[:2]))
def test_every_option_of_the_documentation_exists(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    stem = words[:2] if words[0] == "bench" else words[:1]
    assert run([*stem, "--help"]) == 0
    known = capsys.readouterr().out
    for word in words:
        if word.startswith("--"):
            assert re.search(rf"{re.escape(word)}\b", known), f"{word} is not an option of {' '.join(stem)}"

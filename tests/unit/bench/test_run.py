"""The loop: resumable, one bad file is a row, the same item gets the same change."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detect.bench.data.manifest import read_manifest
from detect.bench.detectors.base import Prediction
from detect.bench.detectors.function import FunctionDetector
from detect.bench.perturb import get_perturbation
from detect.bench.run import RunSettings, run
from detect.bench.store import PredictionStore, Row
from detect.errors import ConfigError

NONE = get_perturbation("none", media="image")
CLEAN = get_perturbation("clean", media="image")


def checker_score(path: str) -> float:
    """A detector that works: energy of the 2-pixel checker as P(synthetic)."""
    pixels = np.asarray(Image.open(path).convert("L"), dtype=float)
    rows, columns = np.indices(pixels.shape)
    energy = abs(float((pixels * (1 - 2 * ((rows + columns) % 2))).mean()))
    return energy / (1.0 + energy)


def detector(name: str = "checker", predict: Callable[[str], object] = checker_score) -> FunctionDetector:
    return FunctionDetector(name=name, predict=predict, fingerprint=f"{name}-1")


def test_every_item_gets_one_row_a_detector_and_perturbation(
    make_manifest: Callable[..., Path], tmp_path: Path
) -> None:
    data = read_manifest(make_manifest())
    rows = run(data, [detector(), detector("other")], [NONE, CLEAN], out=tmp_path / "out")
    assert len(rows) == 12 * 2 * 2 == len({row.key for row in rows})
    assert all(row.score is not None and row.ms is not None and row.file_bytes for row in rows)
    assert {row.file_format for row in rows if row.perturbation == "none@1"} == {"png"}


def test_second_run_scores_nothing_again(make_manifest: Callable[..., Path], tmp_path: Path) -> None:
    data = read_manifest(make_manifest())
    calls: list[str] = []

    def counting(path: str) -> float:
        calls.append(path)
        return 0.5

    for _ in range(2):
        rows = run(data, [detector(predict=counting)], [NONE], out=tmp_path / "out")
    assert len(calls) == len(rows) == 12


def test_a_detector_added_later_joins_the_rows(make_manifest: Callable[..., Path], tmp_path: Path) -> None:
    data = read_manifest(make_manifest())
    run(data, [detector()], [CLEAN], out=tmp_path / "out")
    run(data, [detector("later")], [CLEAN], out=tmp_path / "out")
    rows = PredictionStore(tmp_path / "out").read()
    assert {row.detector for row in rows} == {"checker", "later"}
    bytes_seen = {(row.id, row.file_bytes) for row in rows}
    assert len(bytes_seen) == 12  # both were given the same changed file


def test_one_bad_file_and_one_failing_call_are_rows(make_manifest: Callable[..., Path], tmp_path: Path) -> None:
    manifest = make_manifest()
    (tmp_path / "val-0.png").write_bytes(b"not a picture")

    def picky(path: str) -> float:
        raise RuntimeError("no answer")

    rows = run(read_manifest(manifest), [detector(), detector("picky", picky)], [CLEAN], out=tmp_path / "out")
    bad = {row.detector: row.error for row in rows if row.id == "val-0"}
    assert "perturbation" in bad["checker"]
    assert sum(bool(row.error) for row in rows if row.detector == "checker") == 1
    assert {row.error for row in rows if row.detector == "picky" and row.id != "val-0"} == {"RuntimeError: no answer"}


def test_failed_rows_are_tried_again_only_on_request(make_manifest: Callable[..., Path], tmp_path: Path) -> None:
    data = read_manifest(make_manifest())
    run(data, [detector(predict=lambda path: float("nan"))], [NONE], out=tmp_path / "out")
    kept = run(data, [detector()], [NONE], out=tmp_path / "out")
    assert all(row.error for row in kept)
    mended = run(data, [detector()], [NONE], out=tmp_path / "out", settings=RunSettings(retry_errors=True))
    assert not any(row.error for row in mended) and len(mended) == 12


def test_another_data_set_or_detector_version_is_refused(make_manifest: Callable[..., Path], tmp_path: Path) -> None:
    run(read_manifest(make_manifest()), [detector()], [NONE], out=tmp_path / "out")
    changed = FunctionDetector(name="checker", predict=checker_score, fingerprint="checker-2")
    with pytest.raises(ConfigError, match="another version of detector"):
        run(read_manifest(tmp_path / "manifest.jsonl"), [changed], [NONE], out=tmp_path / "out")
    more = read_manifest(make_manifest(split="extra"))
    with pytest.raises(ConfigError, match="data_hash"):
        run(more, [detector()], [NONE], out=tmp_path / "out")


def test_a_detector_that_skips_files_is_refused(make_manifest: Callable[..., Path], tmp_path: Path) -> None:
    class Lazy:
        name = "lazy"
        fingerprint = "1"

        def predict_many(self, paths: list[Path]):  # type: ignore[no-untyped-def]
            yield Prediction.of_probability(0.5)

    with pytest.raises(ConfigError, match="fewer answers"):
        run(read_manifest(make_manifest()), [Lazy()], [NONE], out=tmp_path / "out")


def test_reading_drops_rows_written_twice(tmp_path: Path) -> None:
    store = PredictionStore(tmp_path)
    row = Row(detector="d", perturbation="none@1", id="a", label="real", origin="s", score=1.0)
    for _ in range(2):
        store.append([row])
    assert store.read() == [row]
    assert store.merge() == tmp_path / "predictions.parquet" and store.read() == [row]
    assert not list((tmp_path / "parts").iterdir())


def test_a_second_process_cannot_write_to_the_same_folder(tmp_path: Path) -> None:
    store = PredictionStore(tmp_path)
    with store.lock(), pytest.raises(ConfigError, match="another run"), PredictionStore(tmp_path).lock():
        pass


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_run_killed_in_the_middle_resumes_without_loss_or_double_rows(tmp_path: Path) -> None:
    """2000 items, `kill -9` once parts exist, the rest in a second process: each item exactly once."""
    listing = "id,label,source,generator,file\n" + "".join(
        f"{i},{'fake' if i % 2 else 'real'},src{i % 7},gen{i % 5},f{i % 4}.bin\n" for i in range(2000)
    )
    for i in range(4):
        (tmp_path / f"f{i}.bin").write_bytes(bytes([i]))
    (tmp_path / "m.csv").write_text(listing)
    script = tmp_path / "job.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import time
            from pathlib import Path
            from detect.bench.data.manifest import read_manifest
            from detect.bench.detectors.function import FunctionDetector
            from detect.bench.perturb import PERTURBATIONS
            from detect.bench.run import RunSettings, run

            def slow(path):
                time.sleep(0.001)
                return 0.5

            home = Path({str(tmp_path)!r})
            judge = FunctionDetector(name="slow", predict=slow, fingerprint="1")
            rows = run(read_manifest(home / "m.csv"), [judge], [PERTURBATIONS.get("none")], out=home / "out",
                       settings=RunSettings(chunk=50))
            print(len(rows))
            """
        )
    )
    first = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.DEVNULL)
    parts = tmp_path / "out" / "parts"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and len(list(parts.glob("*.parquet")) if parts.is_dir() else []) < 3:
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    survived = PredictionStore(tmp_path / "out").keys()
    assert 150 <= len(survived) < 2000
    second = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert second.stdout.strip() == "2000"
    rows = PredictionStore(tmp_path / "out").read()
    assert len(rows) == 2000 and {row.id for row in rows} == {str(i) for i in range(2000)}
    assert survived <= {row.key for row in rows}

"""The baseline that sees no content, and what judging costs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detect.bench.cost import Meter
from detect.bench.data.item import DataSet
from detect.bench.data.manifest import read_manifest
from detect.bench.perturb import get_perturbation
from detect.bench.scores import Scores
from detect.bench.store import Row
from detect.bench.trivial import baseline_rows
from detect.errors import ConfigError


def leaky_set(folder: Path, count: int, *, split: str, is_listed_only: bool = False) -> DataSet:
    """Return a set whose fakes are square PNGs and whose reals are wide JPEGs of the same noise."""
    folder.mkdir(exist_ok=True)
    rows = []
    for index in range(count):
        fake = index % 2 == 1
        rng = np.random.default_rng(index)
        size = (400, 400, 3) if fake else (400, 500, 3)  # none smaller than the largest crop
        file = folder / f"{split}{index}.{'png' if fake else 'jpg'}"
        if not is_listed_only:
            Image.fromarray(rng.integers(90, 160, size, dtype=np.uint8)).save(file)
        facts = {"bytes": 300_000 if fake else 60_000, "format": "PNG" if fake else "JPG"}
        facts |= {"width": size[1], "height": size[0]}
        row = {"path": file.name, "label": "fake" if fake else "real", "split": split, "kind": "image", **facts}
        rows.append(row | ({"generator": f"g{index % 3}"} if fake else {"source": f"s{index % 3}"}))
    manifest = folder / f"{split}.jsonl"
    manifest.write_text("\n".join(json.dumps(row) for row in rows))
    return read_manifest(manifest)


def auroc(rows: list[Row]) -> float:
    from detect.bench.metrics.ranking import auroc as area

    scores = Scores.of(rows)
    return area(scores.is_fake, scores.rank_by)


def test_baseline_reads_the_leak_of_raw_files_and_not_after_equalising(tmp_path: Path) -> None:
    train, judged = leaky_set(tmp_path, 80, split="train"), leaky_set(tmp_path, 40, split="val")
    raw = baseline_rows(train, judged, get_perturbation("none", media="image"))
    equalised = baseline_rows(train, judged, get_perturbation("clean", media="image"))
    assert auroc(raw) == 1.0
    assert auroc(equalised) < 0.75
    assert len(raw) == len(equalised) == 40


def test_raw_baseline_learns_from_a_listing_without_files(tmp_path: Path) -> None:
    train = leaky_set(tmp_path / "t", 60, split="train", is_listed_only=True)
    judged = leaky_set(tmp_path / "v", 20, split="val")
    assert train.items == () and len(train.missing) == 60
    assert auroc(baseline_rows(train, judged, get_perturbation("none", media="image"))) == 1.0


def test_baseline_without_both_labels_says_so(tmp_path: Path) -> None:
    train = leaky_set(tmp_path, 20, split="train")
    reals = DataSet("reals", tuple(item for item in train.items if str(item.label) == "real"))
    with pytest.raises(ConfigError, match="both labels"):
        baseline_rows(reals, train, get_perturbation("none", media="image"))


def test_meter_counts_the_work_of_child_processes() -> None:
    before = Meter.read()
    subprocess.run([sys.executable, "-c", "sum(i * i for i in range(2_000_000))"], check=True)
    spent = Meter.read().since(before)
    assert spent["cpu_ms"] is not None and spent["ms"] is not None and spent["cpu_ms"] > 30
    assert spent["peak_rss_mb"] is not None and (spent["joules"] is None or spent["joules"] >= 0)

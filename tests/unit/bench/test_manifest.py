"""Manifests: what is read, what is refused, what is counted as absent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from detect.bench.data.item import Label, take_balanced
from detect.bench.data.manifest import parse_label, read_manifest
from detect.errors import ConfigError


def write_rows(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_the_three_formats_say_the_same(tmp_path: Path, ending: str) -> None:
    (tmp_path / "a.png").write_bytes(b"a")
    (tmp_path / "b.png").write_bytes(b"b")
    rows = [
        {"path": "a.png", "label": "real", "source": "camera", "generator": "", "width": 10},
        {"path": "b.png", "label": "fake", "source": "", "generator": "flux", "width": 20},
    ]
    path = tmp_path / f"m.{ending}"
    if ending == "jsonl":
        write_rows(path, rows)
    elif ending == "csv":
        lines = [",".join(rows[0])] + [",".join(str(value) for value in row.values()) for row in rows]
        path.write_text("\n".join(lines))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    data = read_manifest(path)
    found = [(item.id, item.label, item.origin, float(item.facts["width"])) for item in data.items]
    assert found == [("a.png", Label.REAL, "camera", 10.0), ("b.png", Label.FAKE, "flux", 20.0)]


def test_pack_copies_are_used_before_the_original_path(tmp_path: Path) -> None:
    (tmp_path / "copy.png").write_bytes(b"x")
    manifest = write_rows(tmp_path / "m.jsonl", [{"path": "orig.png", "pack": "copy.png", "label": "real"}])
    assert read_manifest(manifest).items[0].file == tmp_path / "copy.png"


def test_absent_files_are_counted_by_label_and_origin(tmp_path: Path) -> None:
    rows = [{"path": "gone.png", "label": "fake", "generator": "sora"}] * 2
    data = read_manifest(write_rows(tmp_path / "m.jsonl", rows))
    assert data.items == () and data.absent == {("fake", "sora"): 2}


def test_kind_and_split_choose_rows(make_manifest: Callable[..., Path]) -> None:
    make_manifest(2, split="train")
    manifest = make_manifest(3, split="val")
    assert len(read_manifest(manifest, kinds=("image",), splits=("val",)).items) == 6
    with pytest.raises(ConfigError, match="no row of kind audio"):
        read_manifest(manifest, kinds=("audio",))


def test_bytes_listed_twice_stay_two_items(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"a")
    rows = [{"path": "a.png", "sha256": "ab", "label": "real"}] * 2
    assert [item.id for item in read_manifest(write_rows(tmp_path / "m.jsonl", rows)).items] == ["ab", "ab#2"]


@pytest.mark.parametrize(
    ("word", "label"),
    [("real", Label.REAL), ("bonafide", Label.REAL), (0, Label.REAL), ("SPOOF", Label.FAKE), (1, Label.FAKE)],
)
def test_label_words(word: object, label: Label) -> None:
    assert parse_label(word) is label


def test_an_unknown_label_is_refused_rather_than_guessed() -> None:
    with pytest.raises(ConfigError, match="maybe"):
        parse_label("maybe")


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text('{"label": "real", "path": "a"}\n{oops\n')
    with pytest.raises(ConfigError, match="line 2"):
        read_manifest(path)


def test_a_larger_limit_only_adds_items_and_labels_stay_even(make_manifest: Callable[..., Path]) -> None:
    items = read_manifest(make_manifest(12)).items
    small, large = take_balanced(items, 6), take_balanced(items, 10)
    assert {item.id for item in small} < {item.id for item in large}
    assert sum(item.label is Label.FAKE for item in small) == 3
    assert len({item.origin for item in small}) == 6


def test_data_hash_changes_with_a_label(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"a")
    one = read_manifest(write_rows(tmp_path / "1.jsonl", [{"path": "a.png", "label": "real"}]))
    two = read_manifest(write_rows(tmp_path / "2.jsonl", [{"path": "a.png", "label": "fake"}]))
    assert one.hash != two.hash

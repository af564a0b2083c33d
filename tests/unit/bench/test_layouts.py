"""Published layouts: labels, origins, splits and groups are read as their authors mean them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from detect.bench.data.croissant import read_croissant, write_croissant
from detect.bench.data.item import Label
from detect.bench.data.source import guess_layout, read_data
from detect.bench.detectors.recorded import read_scores
from detect.errors import ConfigError


def put(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode())
    return root


@pytest.mark.parametrize(
    ("path", "label", "origin", "split"),
    [
        pytest.param("real/a.jpg", Label.REAL, "set", "", id="real-fake"),
        pytest.param("fake/flux/a.jpg", Label.FAKE, "flux", "", id="real-fake with generators"),
        pytest.param("test/real/coco/a.jpg", Label.REAL, "coco", "test", id="split first"),
        pytest.param("progan/airplane/1_fake/a.png", Label.FAKE, "progan", "", id="ForenSynths"),
        pytest.param("progan/airplane/0_real/a.png", Label.REAL, "progan", "", id="ForenSynths real"),
        pytest.param("Midjourney/imagenet_midjourney/val/ai/a.png", Label.FAKE, "Midjourney", "val", id="GenImage"),
        pytest.param(
            "Midjourney/imagenet_midjourney/val/nature/a.JPEG", Label.REAL, "Midjourney", "val", id="GenImage real"
        ),
    ],
)
def test_folder_layouts(tmp_path: Path, path: str, label: Label, origin: str, split: str) -> None:
    data = read_data(put(tmp_path / "set", path, "readme.txt"), kind="image")
    assert [(item.id, item.label, item.origin, item.split) for item in data.items] == [(path, label, origin, split)]


def test_folders_without_a_label_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="names a label"):
        read_data(put(tmp_path / "set", "holiday/a.jpg"), kind="image")


@pytest.mark.parametrize(
    "line",
    [
        "LA_0039 LA_E_1 - A11 spoof",
        "LA_0039 LA_E_1 alaw ita_tx A11 spoof notrim eval",
        "LA_0039 LA_E_1 F - - - AC3 A11 spoof -",
    ],
    ids=["2019", "2021", "ASVspoof 5"],
)
def test_asvspoof_protocols(tmp_path: Path, line: str) -> None:
    put(tmp_path, "flac/LA_E_1.flac")
    (tmp_path / "trl.txt").write_text(f"{line}\nLA_0040 LA_E_2 - - bonafide\n")
    data = read_data(tmp_path / "trl.txt", kind="audio")
    assert [(item.id, item.label, item.origin) for item in data.items] == [("LA_E_1", Label.FAKE, "A11")]
    assert data.absent == {("real", "LA_0040"): 1}


def test_asvspoof_line_without_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "trl.txt").write_text("LA_0039 LA_E_1 - A11\n")
    with pytest.raises(ConfigError, match="line 1"):
        read_data(tmp_path / "trl.txt", kind="audio")


def test_in_the_wild(tmp_path: Path) -> None:
    put(tmp_path, "0.wav", "1.wav")
    (tmp_path / "meta.csv").write_text("file,speaker,label\n0.wav,Alan Watts,spoof\n1.wav,Alan Watts,bona-fide\n")
    data = read_data(tmp_path / "meta.csv", kind="audio")
    assert [(item.label, item.origin) for item in data.items] == [
        (Label.FAKE, "Alan Watts"),
        (Label.REAL, "Alan Watts"),
    ]


def test_deepfakebench_with_and_without_compression_level(tmp_path: Path) -> None:
    tree = {
        "FaceForensics++": {
            "FF-DF": {"test": {"c23": {"000_003": {"label": "FF-DF", "frames": ["ff\\df\\0.png", "ff\\df\\1.png"]}}}},
            "FF-real": {"test": {"000": {"label": "FF-real", "frames": ["ff/real/0.png"]}}},
        }
    }
    put(tmp_path, "ff/df/0.png", "ff/df/1.png", "ff/real/0.png")
    (tmp_path / "FF.json").write_text(json.dumps(tree))
    data = read_data(tmp_path / "FF.json", kind="face", splits=("test",))
    found = [(item.label, item.origin, item.group) for item in data.items]
    assert found == [(Label.FAKE, "FF-DF", "FF-DF/c23/000_003")] * 2 + [(Label.REAL, "FF-real", "FF-real/000")]
    with pytest.raises(ConfigError, match="split train"):
        read_data(tmp_path / "FF.json", kind="face", splits=("train",))


def test_croissant_out_and_in_keeps_every_item(tmp_path: Path) -> None:
    folder = put(tmp_path / "set", "real/cam/a.jpg", "fake/flux/b.jpg")
    data = read_data(folder, kind="image")
    file = write_croissant(data, folder, license_url="https://spdx.org/licenses/CC0-1.0", description="Two pictures.")
    again = read_data(file, kind="image")
    assert guess_layout(file) == "croissant"
    tree = json.loads(file.read_text())
    assert tree["conformsTo"].startswith("http://mlcommons.org/croissant/1.") and tree["@type"] == "sc:Dataset"
    assert {"name", "description", "license", "version", "datePublished", "distribution", "recordSet"} <= tree.keys()
    assert again.hash == data.hash
    assert [item.file.resolve() for item in again.items] == [item.file.resolve() for item in data.items]


def test_croissant_table_that_was_changed_is_refused(tmp_path: Path) -> None:
    folder = put(tmp_path / "set", "real/cam/a.jpg", "fake/flux/b.jpg")
    file = write_croissant(read_data(folder, kind="image"), folder, license_url="x", description="x")
    (folder / "records.csv").write_text((folder / "records.csv").read_text().replace("fake", "real"))
    with pytest.raises(ConfigError, match="sha256"):
        read_croissant(file)


def test_croissant_never_downloads(tmp_path: Path) -> None:
    folder = put(tmp_path / "set", "real/cam/a.jpg", "fake/flux/b.jpg")
    file = write_croissant(read_data(folder, kind="image"), folder, license_url="x", description="x")
    file.write_text(file.read_text().replace('"records.csv"', '"https://example.org/records.csv"'))
    with pytest.raises(ConfigError, match="beside the description"):
        read_croissant(file)


def test_asvspoof_scores_are_turned_round_when_larger_means_real(tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text("LA_E_1 A11 spoof -8.5\nLA_E_2 - bonafide 3.0\n")
    found = read_scores(tmp_path / "s.txt", larger_is="real")
    assert {name: answer.score for name, answer in found.items()} == {"LA_E_1": 8.5, "LA_E_2": -3.0}
    assert all(answer.p_synthetic is None for answer in found.values())

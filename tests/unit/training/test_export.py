"""Exported graphs say what the network says; 8 bits are only kept when nothing is lost by them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detect.cli.app import run
from detect.errors import WeightsMismatchError
from detect.networks.graphs import graph_of
from detect.networks.image.patch_scorer import load
from detect.networks.zoo import find_model, list_models
from detect.training import export, int8
from detect.training.export import export_model, write_model_with_graph


@pytest.mark.parametrize("model", list_models(), ids=lambda model: model.name)
def test_every_shipped_model_exports_within_the_limit(model, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = export_model(model, tmp_path)
    assert done.difference <= 1e-3
    assert done.probes >= 8
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "config.json"}


def test_a_graph_that_says_something_else_is_not_written(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(export, "compare_with_torch", lambda folder, graph: (0.02, 20))
    out = tmp_path / "out"
    assert run(["models", "export", "image", "--models-dir", str(tiny_models), "--out", str(out)]) == 1
    assert "0.02" in capsys.readouterr().err
    assert not out.exists()


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Twelve labelled pictures in two splits."""
    rows = []
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 255, (128, 128, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        split = "train" if number < 4 else "val"
        label = "fake" if number % 2 else "real"
        rows.append({"kind": "image", "label": label, "file": f"{number}.png", "split": split, "source": "x"})
    path = tmp_path / "manifest.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("limit", [1.0, -1.0], ids=["accepted", "refused"])
def test_8_bits_are_written_only_when_accuracy_holds(
    tiny_models: Path, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: float
) -> None:
    monkeypatch.setattr(int8, "MAX_ACCURACY_LOSS", limit)
    monkeypatch.setattr(int8.Comparison, "speed_ratio", property(lambda _: 1.3, lambda *_: None), raising=False)
    out = tmp_path / "out" / "image"
    arguments = ["models", "export", "image", "--models-dir", str(tiny_models), "--out", str(out), "--int8"]
    code = run([*arguments, "--manifest", str(manifest)])
    assert (code == 0) is out.exists() is (limit > 0)
    if limit > 0:
        model, plain = find_model("image", folder=out.parent), find_model("image", folder=tiny_models)
        assert model.ref.sha256 != plain.ref.sha256
        assert len(graph_of(model)) < len(graph_of(plain)) * 1.5
        patch = np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8)
        (small,) = load("image", folder=out.parent).score([patch])
        (whole,) = load("image", folder=tiny_models).score([patch])
        np.testing.assert_allclose(small, whole, atol=0.5)
        assert not np.array_equal(small, whole)


def test_each_member_of_an_ensemble_keeps_its_first_convolutions_in_float() -> None:
    from onnx import helper

    nodes = []
    for member in ("a", "b"):
        for number in range(5):
            taken = f"{member}{number - 1}" if number else "patches"
            nodes.append(helper.make_node("Conv", [taken, "weights"], [f"{member}{number}"], name=f"{member}{number}"))
            nodes.append(helper.make_node("Relu", [f"{member}{number}"], [f"{member}{number}r"]))
    graph = helper.make_graph(nodes, "ensemble", [], [])
    assert int8.early_convolutions(graph, 0.4) == ["a0", "a1", "b0", "b1"]


def test_a_graph_whose_hash_differs_is_refused(tiny_models: Path, tmp_path: Path) -> None:
    folder = find_model("image", folder=tiny_models)
    write_model_with_graph(folder, tmp_path / "image", b"graph", {})
    (tmp_path / "image" / "model.onnx").write_bytes(b"other")
    with pytest.raises(WeightsMismatchError, match=r"model\.onnx"):
        graph_of(find_model("image", folder=tmp_path))

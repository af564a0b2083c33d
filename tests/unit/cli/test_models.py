"""`witnessmark models`: list, describe, verify; `witnessmark schema`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from detect.cli.app import run
from detect.networks import graphs
from detect.networks.zoo import find_model
from detect.render.schema import report_schema

WEIGHTS = b"weights"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "image"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    config = {
        "name": "image",
        "version": "1.0.0",
        "kind": "image",
        "architecture": "test",
        "sha256": hashlib.sha256(WEIGHTS).hexdigest(),
        "license": "Apache-2.0",
        "input": {},
        "calibration": {},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "README.md").write_text("# Image model\n\nKnown failures:\x1b[31m many\n")
    (folder / "metrics.json").write_text('{"auc": 0.5}')
    return tmp_path


def test_list_shows_each_model_on_a_line(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "list", "--models-dir", str(models)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.split()[:3] == ["image", "1.0.0", "image"]


def test_list_as_json(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "list", "--json", "--models-dir", str(models)]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] == len(WEIGHTS)


def test_empty_folder_is_said_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "list", "--models-dir", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "No models in" in captured.err


def test_info_shows_the_card_line_by_line_and_cleaned(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "info", "image", "--models-dir", str(models)]) == 0
    out = capsys.readouterr().out
    assert "\n# Image model\n\nKnown failures: many\n" in out


def test_info_as_json_holds_config_and_metrics(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "info", "image", "--json", "--models-dir", str(models)]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["metrics"] == {"auc": 0.5}
    assert data["config"]["architecture"] == "test"


def test_unknown_model_is_an_error_with_its_code(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "info", "nothing", "--models-dir", str(models)]) == 1
    assert "[unknown_model]" in capsys.readouterr().err


def test_verify_accepts_whole_weights(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "verify", "--models-dir", str(models)]) == 0
    assert capsys.readouterr().out.split()[:2] == ["image", "ok"]


def test_verify_finds_changed_weights(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models / "image" / "model.safetensors").write_bytes(b"changed")
    assert run(["models", "verify", "image", "--models-dir", str(models)]) == 1
    assert "DIFFERS" in capsys.readouterr().out


def test_verify_of_nothing_is_no_success(tmp_path: Path) -> None:
    assert run(["models", "verify", "--models-dir", str(tmp_path)]) == 1


def test_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == report_schema()


def test_prepare_makes_every_graph_that_a_start_looks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WITNESSMARK_CACHE", str(tmp_path))
    assert run(["models", "prepare", "speech"]) == 0
    assert capsys.readouterr().out.split()[0] == "speech"
    assert sorted(path.name.rpartition("-")[0] for path in tmp_path.iterdir()) == [
        "speech",
        "speech-gate",
        "speech-stretch",
    ]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o644}

    def never(folder: object) -> bytes:
        raise AssertionError("the graph was there")

    monkeypatch.setattr(graphs, "export_folder", never)
    assert graphs.prepare_graphs(find_model("speech")) == sum(path.stat().st_size - 32 for path in tmp_path.iterdir())


def test_prepare_refuses_weights_that_were_changed(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WITNESSMARK_CACHE", str(tmp_path / "cache"))
    (models / "image" / "model.safetensors").write_bytes(b"other")
    assert run(["models", "prepare", "--models-dir", str(models)]) == 1
    assert "weights_mismatch" in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()

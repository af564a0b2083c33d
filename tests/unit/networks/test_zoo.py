"""Models are found by name or folder, and never run with weights that their config does not name."""

import json
import shutil

import pytest

from detect.errors import ModelError, UnknownModelError, WeightsMismatchError
from detect.networks.zoo import find_model, list_models, models_dir


def test_models_are_listed_by_name(tiny_models):
    assert [model.name for model in list_models(tiny_models)] == ["image"]


def test_unknown_name_lists_what_exists(tiny_models):
    with pytest.raises(UnknownModelError, match="known: image"):
        find_model("imge", folder=tiny_models)


def test_a_folder_of_the_same_shape_is_a_model(tiny_models, tmp_path):
    shutil.copytree(tiny_models / "image", tmp_path / "mine")
    assert find_model(tmp_path / "mine").name == "image"


def test_changed_weights_are_refused(tiny_models, tmp_path):
    folder = tmp_path / "image"
    shutil.copytree(tiny_models / "image", folder)
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(WeightsMismatchError, match="SHA-256"):
        find_model("image", folder=tmp_path).verify()


def test_missing_weights_are_named(tiny_models, tmp_path):
    folder = tmp_path / "image"
    shutil.copytree(tiny_models / "image", folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsMismatchError, match="no weights"):
        find_model("image", folder=tmp_path).verify()


@pytest.mark.parametrize("text", ["{", "{}", json.dumps({"name": "x"})])
def test_broken_config_is_a_model_error(tmp_path, text):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text(text)
    with pytest.raises(ModelError):
        find_model("broken", folder=tmp_path)


def test_environment_variable_points_to_other_models(tiny_models, monkeypatch):
    monkeypatch.setenv("WITNESSMARK_MODELS", str(tiny_models))
    assert models_dir() == tiny_models

"""A whole training run on made pictures: recipe in, model folder out, the Analyzer uses it, a killed run goes on."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from detect.analyzer import Analyzer, AnalyzerSettings
from detect.errors import ConfigError
from detect.networks.zoo import find_model
from detect.training.image.recipe import read_recipe
from detect.training.image.run import train

RECIPE = """
[recipe]
kind = "image"
name = "image"
version = "0.0.1"
seed = 1
[data]
manifests = ["manifest.jsonl"]
holdout = ["held-*"]
[pairs]
count = 0
decoders = []
vae_folder = "none"
[batches]
batch = 8
side = 128
[model]
architecture = "residual_net"
start = "random"
options = { width = 8 }
[schedule]
steps = 12
warmup = 2
checkpoint_every = 4
[input]
patch_side = 128
max_patches = 4
"""


@pytest.fixture(autouse=True)
def one_thread():
    """Sums over threads may differ in the last bit, and the test is about equal weights."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def recipe(tmp_path):
    """Real = smooth pictures, generated = the same with a two-pixel grid: learnable, and made here."""
    rows = []
    for index in range(32):
        label = ("real", "fake")[index % 2]
        rng = np.random.default_rng(index)
        small = Image.fromarray(rng.integers(0, 255, (12, 12, 3), dtype=np.uint8))
        pixels = np.asarray(small.resize((200, 180), Image.Resampling.BICUBIC)).astype(int)
        if label == "fake":
            pixels[::2, ::2] += 30
        path = tmp_path / f"{index}.png"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
        origin = f"{'held-' if index >= 20 else ''}{label}{index % 4}"
        rows.append(
            {
                "kind": "image",
                "label": label,
                "split": "train",
                "path": path.name,
                "sha256": f"{index:064x}",
                "source" if label == "real" else "generator": origin,
            }
        )
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path / "recipe.toml"


def test_recipe_to_analyzer(recipe, tmp_path):
    folder = train(recipe, work=tmp_path / "work", out=tmp_path / "models" / "image")
    config = find_model("image", folder=folder.parent).config
    assert config["training"]["files"] == 20
    assert config["calibration"]["n_real"] == config["calibration"]["n_fake"] == 12  # 6 files, two deliveries
    analyzer = Analyzer(AnalyzerSettings(models_dir=folder.parent, device="cpu", read_provenance=False))
    report = analyzer.analyze(tmp_path / "1.png")
    assert report.find("image.pixels").model.sha256 == config["sha256"]


def test_a_stopped_run_goes_on_and_ends_with_the_same_weights(recipe, tmp_path):
    full = recipe.read_text().replace("steps = 12", "steps = 6\ncooldown = 0.0")
    recipe.write_text(full.replace("steps = 6", "steps = 4"))
    train(recipe, work=tmp_path / "stopped", out=tmp_path / "half")
    recipe.write_text(full)
    resumed = train(recipe, work=tmp_path / "stopped", out=tmp_path / "resumed")
    unbroken = train(recipe, work=tmp_path / "unbroken", out=tmp_path / "unbroken-model")
    hashes = [json.loads((folder / "config.json").read_text())["sha256"] for folder in (resumed, unbroken)]
    assert hashes[0] == hashes[1]


def test_a_run_can_go_on_from_the_weights_of_an_earlier_model(recipe, tmp_path):
    first = train(recipe, work=tmp_path / "first", out=tmp_path / "model")
    sha256 = json.loads((first / "config.json").read_text())["sha256"]
    text = recipe.read_text().replace('start = "random"', 'start = "model/model.safetensors"')
    recipe.write_text(text.replace("steps = 12", "steps = 1").replace("warmup = 2", "warmup = 0"))
    second = train(recipe, work=tmp_path / "second", out=tmp_path / "second-model")
    config = json.loads((second / "config.json").read_text())
    assert config["training"]["started_from"] == sha256
    before, after = (load_file(folder / "model.safetensors") for folder in (first, second))
    assert all(torch.allclose(before[key], after[key], atol=0.05) for key in before if key.endswith("weight"))
    recipe.write_text(text.replace("model/model", "missing/model"))
    with pytest.raises(ConfigError, match=r"missing/model\.safetensors cannot be used"):
        train(recipe, work=tmp_path / "third", out=tmp_path / "third-model")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('kind = "image"\n', "", "lacks kind"),
        ("batch = 8", "bacth = 8", "unknown keys bacth"),
        ("[recipe]", "[recipe", "cannot be read"),
    ],
)
def test_a_recipe_with_a_mistake_is_refused_before_any_work(recipe, old, new, message):
    recipe.write_text(recipe.read_text().replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        read_recipe(recipe)

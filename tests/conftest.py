"""Fixtures for all tests: a model folder with random weights, pictures made on the spot, and a cache of our own."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session", autouse=True)
def private_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep derived files of the tests out of the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WITNESSMARK_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder whose `image` has random weights: tests of the path must not depend on what was trained."""
    import torch
    from safetensors.torch import save_file

    from detect.networks.image.patch_net import create

    folder = tmp_path_factory.mktemp("models") / "image"
    folder.mkdir()
    torch.manual_seed(0)
    weights = folder / "model.safetensors"
    save_file(create("residual_net", width=8).eval().state_dict(), str(weights))
    config = {
        "name": "image",
        "version": "0.0.1",
        "kind": "image",
        "architecture": "residual_net",
        "options": {"width": 8},
        "input": {"patch_side": 128, "max_patches": 9},
        "calibration": {
            "id": "tiny",
            "slope": 1.0,
            "intercept": 0.0,
            "cap": 4.0,
            "thresholds": [{"max_false_positive_rate": 0.02, "synthetic_llr": 2.0, "authentic_llr": -2.0}],
        },
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "license": "Apache-2.0",
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder.parent


@pytest.fixture
def make_photo(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a textured picture and returns its path; the ending chooses the format."""
    from PIL import Image

    def make(name: str = "photo.jpg", *, width: int = 320, height: int = 240, seed: int = 0) -> Path:
        rng = np.random.default_rng(seed)
        coarse = Image.fromarray(rng.integers(0, 255, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8))
        pixels = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
        noisy = (pixels + rng.integers(-12, 12, pixels.shape)).clip(0, 255).astype(np.uint8)
        path = tmp_path / name
        Image.fromarray(noisy).save(path)
        return path

    return make

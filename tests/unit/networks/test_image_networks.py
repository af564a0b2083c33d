"""Every picture architecture maps patches of any size to finite logits, and both runners agree."""

import numpy as np
import pytest
import torch

from detect.errors import ConfigError
from detect.networks.device import pick_device
from detect.networks.graphs import cached_graph
from detect.networks.image.patch_net import create
from detect.networks.image.patch_scorer import load
from detect.networks.zoo import find_model, list_models

ARCHITECTURES = [
    pytest.param("patch_net", {"front": front}, id=f"patch_net-{front}") for front in ("rgb", "residual", "both")
] + [
    pytest.param("residual_net", {"width": 8}, id="residual_net"),
    pytest.param("patch_ensemble", {"members": 2, "front": "rgb"}, id="patch_ensemble"),
]


@pytest.mark.parametrize(("architecture", "options"), ARCHITECTURES)
def test_logit_is_the_mean_of_its_map(architecture, options):
    torch.manual_seed(0)
    network = create(architecture, **options).eval()
    x = torch.rand(2, 3, 96, 128) * 2 - 1
    with torch.inference_mode():
        logits, maps = network(x), network.forward_map(x)
    assert logits.shape == (2,)
    assert torch.isfinite(logits).all()
    torch.testing.assert_close(maps.mean(dim=(1, 2)), logits, rtol=1e-4, atol=1e-5)


def test_an_ensemble_says_the_mean_of_its_members():
    torch.manual_seed(0)
    ensemble = create("patch_ensemble", members=2).eval()
    x = torch.rand(1, 3, 96, 96) * 2 - 1
    with torch.inference_mode():
        alone = [member.forward_map(x) for member in ensemble.members]
        torch.testing.assert_close(ensemble.forward_map(x), (alone[0] + alone[1]) / 2)
    assert not torch.allclose(alone[0], alone[1])


def test_unknown_architecture_is_named():
    with pytest.raises(ValueError, match="patch_net"):
        create("resnet9000")


@pytest.mark.parametrize("shape", [(128, 128), (64, 64), (97, 224), (161, 173)])
def test_onnx_and_torch_give_the_same_logits(tiny_models, shape):
    patch = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
    (by_onnx,) = load("image", folder=tiny_models, runner="onnx").score([patch])
    (by_torch,) = load("image", folder=tiny_models, runner="torch").score([patch])
    np.testing.assert_allclose(by_onnx, by_torch, atol=1e-4)


@pytest.mark.parametrize("model", [m for m in list_models() if m.config["kind"] == "image"], ids=lambda m: m.name)
def test_shipped_picture_models_agree_on_both_runners(model):
    patch = np.random.default_rng(0).integers(0, 255, (161, 173, 3), dtype=np.uint8)
    (by_onnx,) = load(model.path, runner="onnx").score([patch])
    (by_torch,) = load(model.path, runner="torch").score([patch])
    np.testing.assert_allclose(by_onnx, by_torch, atol=1e-4)


def test_batches_do_not_change_a_score(tiny_models):
    rng = np.random.default_rng(1)
    patches = [rng.integers(0, 255, (*shape, 3), dtype=np.uint8) for shape in ((128, 128), (64, 90), (128, 128))]
    scorer = load("image", folder=tiny_models, runner="torch")
    together = scorer.score(patches)
    alone = [scorer.score([patch])[0] for patch in patches]
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_a_damaged_cache_is_made_anew(tiny_models, private_cache):
    folder = find_model("image", folder=tiny_models)
    graph = cached_graph(folder)
    for cached in private_cache.glob("image-*.onnx"):
        cached.write_bytes(cached.read_bytes()[:-100])
    assert cached_graph(folder) == graph


@pytest.mark.parametrize("device", ["gpu", "cuda:x", ""])
def test_unknown_device_is_refused(device):
    with pytest.raises(ConfigError, match="device"):
        pick_device(device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_missing_cuda_is_said():
    with pytest.raises(ConfigError, match="no CUDA"):
        pick_device("cuda")

"""Peers that judge pictures or face crops, written in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from detect.bench.detectors.base import Prediction
from detect.bench.peers.base import PEERS, Judge, Peer, find_parts, import_file, load_net, needed
from detect.bench.perturb.pixels import open_rgb
from detect.errors import ConfigError

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


def _judge_logit(net: Any, transform: Any, device: str) -> Judge:
    """Return the judge of a net with one logit, positive = synthetic."""
    import torch

    def judge(path: Path) -> Prediction:
        with torch.inference_mode():
            return Prediction.of_llr(float(net(transform(open_rgb(path)).unsqueeze(0).to(device)).reshape(-1)[0]))

    return judge


def _ferretnet(weights: Path, code: Path | None, device: str) -> Any:
    source = needed(code) / "src" / "model"
    lpd = import_file(source / "lpd.py").get_lpd_dict()
    net = import_file(source / "ferretnet.py").Ferret(3, 1, 32, [2, 2], "median", 3, lpd)
    return load_net(net, weights, device, key="model")


def build_ferretnet(weights: Path, code: Path | None, device: str) -> Judge:
    """Load FerretNet-S (its `configs/Test.yaml` with dim 32): centre crop 256, padded when smaller, CLIP norm."""
    from torchvision.transforms import CenterCrop, Compose, Normalize, ToTensor

    transform = Compose([CenterCrop((256, 256)), ToTensor(), Normalize(*_CLIP)])
    return _judge_logit(_ferretnet(weights, code, device), transform, device)


def _ladeda(weights: Path, code: Path | None, device: str) -> Any:
    import torch

    net = import_file(needed(code) / "networks" / "Tiny_LaDeDa.py").tiny_ladeda("right_diag")
    net.fc = torch.nn.Linear(8, 1)
    return load_net(net, weights, device, key="model")


def build_ladeda(weights: Path, code: Path | None, device: str) -> Judge:
    """Load Tiny-LaDeDa trained on WildRF: resized to 256 x 256, ImageNet norm, gradient along the right diagonal.

    The pre-processing is not stored with the weights; `right_diag` is the repository's default.
    """
    from torchvision.transforms import Compose, Normalize, Resize, ToTensor

    transform = Compose([Resize((256, 256)), ToTensor(), Normalize(*_IMAGENET)])
    return _judge_logit(_ladeda(weights, code, device), transform, device)


def differentiable_peer(
    name: str, *, peers_dir: Path | None, peers_code: Path | None, device: str
) -> tuple[Callable[[Any], Any], str]:
    """Return a peer's logit as a differentiable function of (1, 3, H, W) in [0, 1], and its fingerprint.

    Raises:
        ConfigError: No such peer with gradients, or weights or code are missing.
    """
    from torchvision.transforms import CenterCrop, Compose, Normalize, Resize

    makers = {
        "ferretnet-s": (_ferretnet, Compose([CenterCrop((256, 256)), Normalize(*_CLIP)])),
        "tiny-ladeda-wildrf": (_ladeda, Compose([Resize((256, 256), antialias=True), Normalize(*_IMAGENET)])),
    }
    if name not in makers:
        raise ConfigError(f"peer {name!r} gives no gradients here (there are: {', '.join(sorted(makers))})")
    weights, code, fingerprint = find_parts(name, peers_dir=peers_dir, peers_code=peers_code)
    make, transform = makers[name]
    net = make(weights, code, device)
    return lambda x: net(transform(x)), fingerprint


def build_classnseg(weights: Path, code: Path | None, device: str) -> Judge:
    """Load the ClassNSeg encoder: the left 256 x 256 of the file, ImageNet norm.

    Its samples are 512 x 256 with the segmentation map on the right half, so only the left is read (as `test_cls.py`
    does); class 0 is `altered`, class 1 `original` by folder order.
    """
    import torch
    from torchvision.transforms import Compose, Normalize, ToTensor

    encoder = load_net(import_file(needed(code) / "model" / "ae.py").Encoder(3), weights, device)
    transform = Compose([ToTensor(), Normalize(*_IMAGENET)])

    def judge(path: Path) -> Prediction:
        picture = open_rgb(path)
        if picture.size == (512, 256):
            picture = picture.crop((0, 0, 256, 256))
        with torch.inference_mode():
            latent = encoder(transform(picture.resize((256, 256))).unsqueeze(0).to(device)).reshape(1, 2, 64, 16, 16)
            strength = latent.abs().mean(dim=(2, 3, 4))[0]
        return Prediction.of_llr(float(strength[0] - strength[1]))

    return judge


for _peer in (
    Peer(
        name="ferretnet-s",
        media="image",
        weights="ferretnet/ferretnet-s-median-3.pth",
        repository="xigua7105/FerretNet",
        folder="ferretnet",
        licence="Apache-2.0 (badge)",
        about="centre crop 256 x 256, CLIP normalisation, one logit, sigmoid = P(synthetic)",
        build=build_ferretnet,
    ),
    Peer(
        name="tiny-ladeda-wildrf",
        media="image",
        weights="tiny_ladeda/WildRF_Tiny_LaDeDa.pth",
        repository="barcavia/RealTime-DeepfakeDetection-in-the-RealWorld",
        folder="tiny_ladeda",
        licence="research only",
        about="resized to 256 x 256, ImageNet normalisation, right-diagonal gradient, one logit",
        build=build_ladeda,
    ),
    Peer(
        name="classnseg",
        media="face",
        weights="classnseg/full_encoder_46.pt",
        repository="nii-yamagishilab/ClassNSeg",
        folder="classnseg",
        licence="BSD-3-Clause",
        about="face crop 256 x 256, mean |latent| of the altered half against the original half",
        build=build_classnseg,
    ),
):
    PEERS.add(_peer.name, _peer)

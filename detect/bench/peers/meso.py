"""MesoNet (Afchar et al. 2018): the published Keras weights in nets written here, so that no TensorFlow is needed.

Four peers: Meso-4 and MesoInception-4, each trained on Deepfakes (DF) or Face2Face (F2F). Input: a face crop, resized
to 256 x 256 by nearest neighbour (Keras' default), divided by 255. The output is P(real): class `df` = 0, `real` = 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from detect.bench.detectors.base import Prediction
from detect.bench.peers.base import PEERS, Judge, Peer
from detect.bench.perturb.pixels import open_rgb
from detect.errors import MissingExtraError

_KERAS_EPSILON = 1e-3
_LEAK = 0.1

Layers = Mapping[str, Mapping[str, npt.NDArray[np.float32]]]


def _read_keras(weights: Path) -> tuple[Layers, list[str]]:
    """Return the arrays by layer and parameter name, and the layers in their order."""
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError("MesoNet's weights are HDF5 files: pip install 'witnessmark[bench]'") from error
    with h5py.File(weights) as file:
        order = [name.decode() for name in file.attrs["layer_names"]]
        layers = {
            name: {key.partition(":")[0]: np.asarray(value) for key, value in file[name][name].items()}
            for name in order
            if name in file and name in file[name]
        }
    return layers, order


def _numbered(kind: str, order: Sequence[str], layers: Layers) -> list[str]:
    """Return the layers of a kind that hold parameters, by their number: Keras numbers them as the code made them."""
    found = [name for name in order if name.startswith(kind) and name in layers]
    return sorted(found, key=lambda name: int(name.rpartition("_")[2]))


class _Net:
    """The arithmetic shared by both nets, on (1, C, H, W) tensors."""

    def __init__(self, layers: Layers, order: Sequence[str], device: str) -> None:
        import torch

        self._torch = torch
        self._device = device
        self._layers = layers
        self.convolutions = _numbered("conv2d", order, layers)
        self.norms = _numbered("batch_normalization", order, layers)
        self.dense = _numbered("dense", order, layers)

    def tensor(self, layer: str, name: str) -> Any:
        return self._torch.from_numpy(self._layers[layer][name]).to(self._device)

    def convolve(self, x: Any, layer: str, *, dilation: int = 1) -> Any:
        """Return relu(convolution), size kept."""
        functional = self._torch.nn.functional
        kernel = self.tensor(layer, "kernel").permute(3, 2, 0, 1)  # Keras stores (H, W, in, out)
        padding = dilation * (kernel.shape[-1] // 2)
        return functional.conv2d(x, kernel, self.tensor(layer, "bias"), padding=padding, dilation=dilation).relu()

    def norm_pool(self, x: Any, layer: str, pool: int) -> Any:
        """Return the batch-normalised, max-pooled tensor."""
        functional = self._torch.nn.functional
        names = ("moving_mean", "moving_variance", "gamma", "beta")
        mean, variance, gamma, beta = (self.tensor(layer, name) for name in names)
        x = functional.batch_norm(x, mean, variance, gamma, beta, eps=_KERAS_EPSILON)
        return functional.max_pool2d(x, pool)

    def finish(self, x: Any) -> float:
        """Return the logit of P(real)."""
        x = x.permute(0, 2, 3, 1).reshape(1, -1)  # Keras flattens (H, W, C)
        first, second = self.dense
        x = x @ self.tensor(first, "kernel") + self.tensor(first, "bias")
        x = self._torch.nn.functional.leaky_relu(x, _LEAK)
        return float((x @ self.tensor(second, "kernel") + self.tensor(second, "bias"))[0, 0])


def _run_meso4(net: _Net, x: Any) -> float:
    for convolution, norm, pool in zip(net.convolutions, net.norms, (2, 2, 2, 4), strict=True):
        x = net.norm_pool(net.convolve(x, convolution), norm, pool)
    return net.finish(x)


def _run_inception(net: _Net, x: Any) -> float:
    names = net.convolutions
    x = net.norm_pool(_inception(net, x, names[:7]), net.norms[0], 2)
    x = net.norm_pool(_inception(net, x, names[7:14]), net.norms[1], 2)
    x = net.norm_pool(net.convolve(x, names[14]), net.norms[2], 2)
    x = net.norm_pool(net.convolve(x, names[15]), net.norms[3], 4)
    return net.finish(x)


def _inception(net: _Net, x: Any, names: Sequence[str]) -> Any:
    """Return four branches side by side: 1x1, then 1x1 and 3x3 with dilation 1, 2 and 3."""
    import torch

    branches = [net.convolve(x, names[0])]
    for dilation in (1, 2, 3):
        inner = net.convolve(x, names[2 * dilation - 1])
        branches.append(net.convolve(inner, names[2 * dilation], dilation=dilation))
    return torch.cat(branches, dim=1)


def _build(run: Callable[[_Net, Any], float]) -> Callable[[Path, Path | None, str], Judge]:
    def build(weights: Path, code: Path | None, device: str) -> Judge:
        import torch

        net = _Net(*_read_keras(weights), device)

        def judge(path: Path) -> Prediction:
            face = open_rgb(path).resize((256, 256), Image.Resampling.NEAREST)
            x = torch.from_numpy(np.asarray(face, dtype=np.float32) / 255.0).permute(2, 0, 1)[None].to(device)
            with torch.inference_mode():
                return Prediction.of_llr(-run(net, x))

        return judge

    return build


for _name, _file, _run in (
    ("meso4-df", "Meso4_DF", _run_meso4),
    ("meso4-f2f", "Meso4_F2F", _run_meso4),
    ("mesoinception-df", "MesoInception_DF", _run_inception),
    ("mesoinception-f2f", "MesoInception_F2F", _run_inception),
):
    PEERS.add(
        _name,
        Peer(
            name=_name,
            media="face",
            weights=f"mesonet/{_file}.h5",
            repository="DariusAf/MesoNet",
            folder="mesonet",
            licence="Apache-2.0",
            about="face crop 256 x 256 / 255, P(synthetic) = 1 - sigmoid",
            build=_build(_run),
            needs_code=False,
        ),
    )

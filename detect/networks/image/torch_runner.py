"""Run a picture network with torch: channels-last, half precision on a GPU."""

from __future__ import annotations

import threading

import numpy as np
import torch
from safetensors.torch import load_file

from detect.networks.image.patch_net import create
from detect.networks.image.patch_scorer import Float32Array, Float64Array
from detect.networks.zoo import ModelFolder


class TorchRunner:
    """Holds a network on one device; see `PatchRunner`."""

    def __init__(self, network: torch.nn.Module, *, device: str = "cpu", batch: int = 16) -> None:
        self.device = device
        self.batch = batch
        self._lock = threading.Lock()
        self.network = network.eval().to(device).to(memory_format=torch.channels_last)

    @classmethod
    def from_folder(cls, folder: ModelFolder, *, device: str) -> TorchRunner:
        """Build the architecture that config.json names and load its weights."""
        return cls(load_network(folder), device=device, batch=64 if device.startswith("cuda") else 16)

    def run(self, x: Float32Array) -> Float64Array:
        """Return maps of logits (N, h, w) for patches (N, 3, H, W) float32 in [-1, 1]."""
        is_cuda = self.device.startswith("cuda")
        batch = torch.from_numpy(x).to(self.device).contiguous(memory_format=torch.channels_last)
        with self._lock, torch.inference_mode(), torch.autocast("cuda", torch.float16, enabled=is_cuda):
            cells = self.network.forward_map(batch)  # type: ignore[operator]
        return np.asarray(cells.double().cpu().numpy())


def load_network(folder: ModelFolder) -> torch.nn.Module:
    """Return the network of a model folder with its weights, in eval mode on the CPU."""
    network = create(str(folder.config["architecture"]), **dict(folder.config.get("options", {})))
    network.load_state_dict(load_file(str(folder.weights)))
    return network.eval()

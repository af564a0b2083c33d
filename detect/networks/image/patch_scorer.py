"""A loaded picture model: uint8 patches in, one logit each and a map of logits out."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file

from detect.networks.device import pick_device
from detect.networks.image.patch_net import create
from detect.networks.zoo import ModelFolder, find_model
from detect.types import UInt8Array

Float64Array = npt.NDArray[np.float64]


class PatchScorer:
    """Scores patches of one picture or of many; safe to call from several threads.

    A patch is (H, W, 3) uint8 sRGB at the picture's own resolution, both sides >= 64.
    """

    def __init__(self, network: torch.nn.Module, *, device: str = "cpu", batch: int = 16) -> None:
        self.device = device
        self.batch = batch
        self.network = network.eval().to(device, memory_format=torch.channels_last)
        self._lock = threading.Lock()

    @classmethod
    def from_folder(cls, folder: ModelFolder, *, device: str = "auto") -> PatchScorer:
        """Load and verify the weights of a model folder."""
        folder.verify()
        network = create(str(folder.config["architecture"]), **dict(folder.config.get("options", {})))
        network.load_state_dict(load_file(str(folder.weights)))
        return cls(network, device=pick_device(device))

    def score(self, patches: Sequence[UInt8Array]) -> list[Float64Array]:
        """Return each patch's map of logits, (h, w) float64; its mean is the patch's logit.

        Patches of one size share a batch; the order of the answer is the order given.
        """
        maps: list[Float64Array | None] = [None] * len(patches)
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for index, patch in enumerate(patches):
            by_shape.setdefault(patch.shape, []).append(index)
        for indices in by_shape.values():
            for start in range(0, len(indices), self.batch):
                chosen = indices[start : start + self.batch]
                for index, cells in zip(chosen, self._run([patches[i] for i in chosen]), strict=True):
                    maps[index] = cells
        return [cells for cells in maps if cells is not None]

    def _run(self, patches: Sequence[UInt8Array]) -> Float64Array:
        stacked = torch.from_numpy(np.stack(patches)).to(self.device)
        x = stacked.permute(0, 3, 1, 2).float().div_(127.5).sub_(1).contiguous(memory_format=torch.channels_last)
        is_cuda = self.device.startswith("cuda")
        with self._lock, torch.inference_mode(), torch.autocast("cuda", torch.float16, enabled=is_cuda):
            cells = self.network.forward_map(x)  # type: ignore[operator]
        return np.asarray(cells.double().cpu().numpy())


def load(name_or_folder: str | Path = "image", *, device: str = "auto", folder: Path | None = None) -> PatchScorer:
    """Return the scorer of a picture model by name or folder."""
    return PatchScorer.from_folder(find_model(name_or_folder, folder=folder), device=device)

"""A loaded picture model: uint8 patches in, a map of logits each out.

Two runners give the same answer (tested to 1e-3): torch, on a GPU or where ONNX Runtime is absent, and ONNX Runtime on
a CPU, where it takes about a third of the time.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from detect.networks.device import pick_device
from detect.networks.zoo import ModelFolder, find_model
from detect.types import UInt8Array

Float64Array = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]


class PatchRunner(Protocol):
    """Runs the network on one batch of equal size."""

    device: str
    batch: int

    def run(self, x: Float32Array) -> Float64Array:
        """Return maps of logits (N, h, w) for patches (N, 3, H, W) float32 in [-1, 1]."""
        ...


class PatchScorer:
    """Scores patches of one picture or of many; safe to call from several threads.

    A patch is (H, W, 3) uint8 sRGB at the picture's own resolution, both sides >= 64.
    """

    def __init__(self, runner: PatchRunner) -> None:
        self.runner = runner
        self._lock = threading.Lock()

    @property
    def device(self) -> str:
        """`cpu` or `cuda[:N]`."""
        return self.runner.device

    @classmethod
    def from_folder(cls, folder: ModelFolder, *, device: str = "auto", runner: str = "auto") -> PatchScorer:
        """Load and verify the weights of a model folder.

        Args:
            folder: The model.
            device: `auto`, `cpu`, `cuda` or `cuda:N`.
            runner: `torch`, `onnx`, or `auto`: ONNX Runtime on a CPU, torch else.
        """
        folder.verify()
        chosen = pick_device(device)
        if runner == "onnx" or (runner == "auto" and chosen == "cpu"):
            from detect.networks.image.onnx_runner import OnnxRunner

            return cls(OnnxRunner.from_folder(folder))
        from detect.networks.image.torch_runner import TorchRunner

        return cls(TorchRunner.from_folder(folder, device=chosen))

    def score(self, patches: Sequence[UInt8Array]) -> list[Float64Array]:
        """Return each patch's map of logits, (h, w) float64; its mean is the patch's logit.

        Patches of one size share a batch; the order of the answer is the order given.
        """
        maps: list[Float64Array | None] = [None] * len(patches)
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for index, patch in enumerate(patches):
            by_shape.setdefault(patch.shape, []).append(index)
        for indices in by_shape.values():
            for start in range(0, len(indices), self.runner.batch):
                chosen = indices[start : start + self.runner.batch]
                stacked = np.stack([patches[index] for index in chosen]).astype(np.float32)
                x = np.ascontiguousarray(stacked.transpose(0, 3, 1, 2)) / np.float32(127.5) - np.float32(1)
                with self._lock:
                    cells = self.runner.run(x)
                for index, own in zip(chosen, cells, strict=True):
                    maps[index] = own
        return [cells for cells in maps if cells is not None]


def load(
    name_or_folder: str | Path = "image", *, device: str = "auto", folder: Path | None = None, runner: str = "auto"
) -> PatchScorer:
    """Return the scorer of a picture model by name or folder."""
    return PatchScorer.from_folder(find_model(name_or_folder, folder=folder), device=device, runner=runner)

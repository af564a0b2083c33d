"""A loaded picture model: uint8 patches in, a map of logits each out.

Two runners give the same answer (tested to 1e-3): torch, on a GPU or where ONNX Runtime is absent, and ONNX Runtime on
a CPU, where it takes about a third of the time.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from detect.networks.batches import Schedule, run_here
from detect.networks.device import pick_device
from detect.networks.zoo import ModelFolder, find_model
from detect.types import UInt8Array

Float64Array = npt.NDArray[np.float64]


class PatchRunner(Protocol):
    """Runs the network on one batch of equal size. Safe to call from several threads."""

    device: str
    batch: int

    def run(self, patches: UInt8Array) -> Float64Array:
        """Return maps of logits (N, h, w) for patches (N, H, W, 3) uint8 sRGB."""
        ...


class PatchScorer:
    """Scores patches of one picture or of many; safe to call from several threads.

    A patch is (H, W, 3) uint8 sRGB at the picture's own resolution, both sides >= 64.

    Args:
        runner: The network on its device.
        schedule: Brings patches to `run`: an engine's, or in the calling thread.
    """

    def __init__(self, runner: PatchRunner, *, schedule: Schedule = run_here) -> None:
        self.runner = runner
        self._schedule = schedule

    @property
    def device(self) -> str:
        """`cpu` or `cuda[:N]`."""
        return self.runner.device

    @property
    def batch(self) -> int:
        """Most patches of one call."""
        return self.runner.batch

    @classmethod
    def from_folder(
        cls, folder: ModelFolder, *, device: str = "auto", runner: str = "auto", schedule: Schedule = run_here
    ) -> PatchScorer:
        """Load and verify the weights of a model folder.

        Args:
            folder: The model.
            device: `auto`, `cpu`, `cuda` or `cuda:N`.
            runner: `torch`, `onnx`, or `auto`: ONNX Runtime on a CPU, torch else.
            schedule: Brings patches to the network; see `detect.networks.batches`.
        """
        folder.verify()
        chosen = pick_device(device)
        if runner == "onnx" or (runner == "auto" and chosen == "cpu"):
            from detect.networks.image.onnx_runner import OnnxRunner

            return cls(OnnxRunner.from_folder(folder, threads=0 if schedule is run_here else 1), schedule=schedule)
        from detect.networks.image.torch_runner import TorchRunner

        return cls(TorchRunner.from_folder(folder, device=chosen), schedule=schedule)

    def score(self, patches: Sequence[UInt8Array]) -> list[Float64Array]:
        """Return each patch's map of logits, (h, w) float64; its mean is the patch's logit.

        Patches of one size share a batch; the order of the answer is the order given.
        """
        return self._schedule(self, patches)

    def group(self, item: UInt8Array) -> Hashable:
        """Return the shape: patches of one size share a call."""
        return item.shape

    def run(self, items: Sequence[UInt8Array]) -> Sequence[Float64Array]:
        """Return the maps of one call's patches, all of one size."""
        return list(self.runner.run(np.stack(items)))


def load(
    name_or_folder: str | Path = "image",
    *,
    device: str = "auto",
    folder: Path | None = None,
    runner: str = "auto",
    schedule: Schedule = run_here,
) -> PatchScorer:
    """Return the scorer of a picture model by name or folder."""
    model = find_model(name_or_folder, folder=folder)
    return PatchScorer.from_folder(model, device=device, runner=runner, schedule=schedule)

"""Heads for windows of 2 s: whether a single sentence inside a recording was made by a machine.

They judge what the speech net hears (its `describe`), of windows half as long as its own, so that a sentence of 3 s has
windows that hold nothing else. The heads are small enough for numpy; only the description runs as a graph.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from detect.errors import WeightsMismatchError
from detect.networks.batches import Schedule, run_here
from detect.networks.device import pick_device
from detect.networks.zoo import ModelFolder
from detect.types import Float32Array

Float64Array = npt.NDArray[np.float64]

STRETCH_S = 2.0
"""Seconds of a window."""

LEVEL = 0.05
"""Root mean square that a recording is brought to, because the description knows absolute levels."""

LIMIT = 5.0
"""Standardised features are clipped here, as those of the speech net are."""

BATCH = 16


@dataclass(frozen=True)
class StretchHeads:
    """Standardisation and heads of one hidden layer each; their mean logit is the answer."""

    mean: Float32Array
    scale: Float32Array
    inner: Float32Array
    inner_bias: Float32Array
    outer: Float32Array
    outer_bias: Float32Array

    @classmethod
    def load(cls, path: Path, sha256: str) -> StretchHeads:
        """Read the heads from a safetensors file.

        Raises:
            WeightsMismatchError: The file is missing or has another hash.
        """
        from safetensors.numpy import load

        data = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(data).hexdigest() != sha256:
            raise WeightsMismatchError(f"{path.name} is not the file that config.json names; install the package again")
        return cls(**{key: value.astype(np.float32) for key, value in load(data).items()})

    def logits(self, features: Float32Array) -> Float32Array:
        """Return the logits (windows, heads) of raw features (windows, features)."""
        ready = np.clip((features - self.mean) / self.scale, -LIMIT, LIMIT)
        hidden = np.maximum(np.einsum("nf,hdf->nhd", ready, self.inner, optimize=True) + self.inner_bias, 0)
        return cast(Float32Array, (hidden * self.outer).sum(axis=2) + self.outer_bias)


class StretchScorer:
    """Describes windows on a device and judges them; safe to call from several threads."""

    def __init__(
        self,
        folder: ModelFolder,
        heads: StretchHeads,
        *,
        device: str = "auto",
        runner: str = "auto",
        schedule: Schedule = run_here,
    ) -> None:
        """Keep the heads; the network is loaded at the first score, as most short files never need it.

        Args:
            folder: The speech model, its weights verified.
            heads: From its folder.
            device: `auto`, `cpu`, `cuda` or `cuda:N`.
            runner: `torch`, `onnx`, or `auto`: ONNX Runtime on a CPU, torch else.
            schedule: Brings windows to the network; see `detect.networks.batches`.
        """
        self.device = pick_device(device)
        self._folder = folder
        self._heads = heads
        self._schedule = schedule
        self._lock = threading.Lock()
        self._is_onnx = runner == "onnx" or (runner == "auto" and self.device == "cpu")
        self.batch = 1 if self._is_onnx else BATCH
        self._describe: Callable[[Float32Array], Float32Array] | None = None

    def score(self, windows: Float32Array) -> Float64Array:
        """Return one logit a window of a recording.

        Args:
            windows: (windows, samples) float32 at 16 kHz; all of one recording, because their common level counts.
        """
        if not len(windows):
            return np.zeros(0)
        loudness = float(np.sqrt(np.mean(np.square(windows, dtype=np.float64))))
        rows = self._schedule(self, list(windows * np.float32(LEVEL / max(loudness, 1e-5))))
        return self._heads.logits(np.stack(rows)).mean(axis=1, dtype=np.float64)

    def group(self, item: Float32Array) -> Hashable:
        """Return the length, and that these are stretches: a schedule may hold windows of other models."""
        return ("stretch", item.shape)

    def run(self, items: Sequence[Float32Array]) -> Sequence[Float32Array]:
        """Return the raw features of one call's windows."""
        with self._lock:
            if self._describe is None:
                self._describe = self._onnx() if self._is_onnx else self._on_torch()
        return list(self._describe(np.ascontiguousarray(np.stack(items))))

    def _onnx(self) -> Callable[[Float32Array], Float32Array]:
        from detect.networks.graphs import open_session

        session = open_session(stretch_graph(self._folder), threads=0 if self._schedule is run_here else 1)
        return lambda windows: np.concatenate([session.run(None, {"window": row[None]})[0] for row in windows])

    def _on_torch(self) -> Callable[[Float32Array], Float32Array]:
        import torch

        from detect.networks.audio.speech_graph import load_speech_net

        net = load_speech_net(self._folder).to(self.device)

        def describe(windows: Float32Array) -> Float32Array:
            with self._lock, torch.inference_mode():
                return cast(Float32Array, net.describe(torch.from_numpy(windows).to(self.device)).cpu().numpy())

        return describe


def stretch_graph(folder: ModelFolder) -> bytes:
    """Return the graph that describes a window of `STRETCH_S`, the cached one where there is one."""
    from detect.networks.graphs import cached_graph

    def export(folder: ModelFolder) -> bytes:
        from detect.networks.audio.speech_graph import export_description

        return export_description(folder, seconds=STRETCH_S)

    return cached_graph(folder, part="stretch", export=export)

"""A loaded speech model: 16 kHz windows in, logits out; and its gate: where in a recording somebody speaks.

Two runners give the same answer (tested to 1e-3): torch on a GPU, and ONNX Runtime on a CPU, where a window takes 17 ms
against 29 ms.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from detect.networks.audio.chunks import cut_chunks
from detect.networks.batches import Schedule, run_here
from detect.networks.device import pick_device
from detect.networks.zoo import ModelFolder, find_model
from detect.types import Float32Array

Float64Array = npt.NDArray[np.float64]
Forward = Callable[[Float32Array], list[float]]
Gate = Callable[[Float32Array], Float32Array]

BATCH = 16
"""Windows at once for torch; ONNX Runtime takes one, so that a window's logit never depends on its company."""


class SpeechScorer:
    """Holds the net on its device; safe to call from several threads."""

    def __init__(
        self, folder: ModelFolder, *, device: str = "auto", runner: str = "auto", schedule: Schedule = run_here
    ) -> None:
        """Load and verify the weights of a model folder.

        Args:
            folder: The model.
            device: `auto`, `cpu`, `cuda` or `cuda:N`.
            runner: `torch`, `onnx`, or `auto`: ONNX Runtime on a CPU, torch else.
            schedule: Brings windows to the net; see `detect.networks.batches`.

        Raises:
            WeightsMismatchError: The weights are not those that its config names.
        """
        folder.verify()
        self.device = pick_device(device)
        self._schedule = schedule
        self._lock = threading.Lock()
        is_onnx = runner == "onnx" or (runner == "auto" and self.device == "cpu")
        self.batch = 1 if is_onnx else BATCH
        self._forward, self._gate = self._onnx(folder) if is_onnx else self._on_torch(folder)

    def score(self, windows: Float32Array) -> Float64Array:
        """Return one logit a window.

        Args:
            windows: (windows, samples) float32 at 16 kHz, in [-1, 1].
        """
        return np.array(self._schedule(self, list(windows)), dtype=np.float64)

    def group(self, item: Float32Array) -> Hashable:
        """Return the length: windows of one length share a call."""
        return item.shape

    def run(self, items: Sequence[Float32Array]) -> Sequence[float]:
        """Return the logits of one call's windows."""
        return self._forward(np.ascontiguousarray(np.stack(items)))

    def activity(self, waveform: Float32Array) -> Float32Array:
        """Return the probability of speech for each 32 ms of a wave (samples,) at 16 kHz."""
        chunks = cut_chunks(waveform)
        return self._gate(chunks) if len(chunks) else np.zeros(0, np.float32)

    def _onnx(self, folder: ModelFolder) -> tuple[Forward, Gate]:
        """Return net and gate as sessions; where their graphs lie in the cache, torch is never imported."""
        from detect.networks.graphs import gate_graph, graph_of, open_session

        net = open_session(graph_of(folder), threads=0 if self._schedule is run_here else 1)
        # The gate walks through time on one core; a second one would mostly wait for it.
        gate = open_session(gate_graph(folder), threads=1)
        return (
            lambda windows: [float(net.run(None, {"window": row[None]})[0][0]) for row in windows],
            lambda chunks: cast(Float32Array, gate.run(None, {"chunks": chunks})[0]),
        )

    def _on_torch(self, folder: ModelFolder) -> tuple[Forward, Gate]:
        """Return the net on its device, and the gate on the CPU, where its recurrent part is fastest."""
        import torch

        from detect.networks.audio.speech_graph import load_speech_net

        net = load_speech_net(folder)
        gate = net.gate
        net.to(self.device)
        gate.to("cpu")

        def forward(windows: Float32Array) -> list[float]:
            part = torch.from_numpy(windows).to(self.device)
            with self._lock, torch.inference_mode():
                return cast(list[float], net(part).double().cpu().tolist())

        def listen(chunks: Float32Array) -> Float32Array:
            with self._lock, torch.inference_mode():
                return cast(Float32Array, gate(torch.from_numpy(chunks)).numpy())

        return forward, listen


def load(
    name_or_folder: str | Path = "speech",
    *,
    device: str = "auto",
    folder: Path | None = None,
    runner: str = "auto",
    schedule: Schedule = run_here,
) -> SpeechScorer:
    """Return the scorer of a speech model by name or folder."""
    return SpeechScorer(find_model(name_or_folder, folder=folder), device=device, runner=runner, schedule=schedule)

"""A loaded speech model: 16 kHz windows in, logits out; and its gate: where in a recording somebody speaks."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from detect.networks.device import pick_device
from detect.networks.zoo import ModelFolder, find_model
from detect.types import Float32Array

Float64Array = npt.NDArray[np.float64]

BATCH = 16
"""Windows at once: 16 of them keep the caches of one core busy; more only cost memory."""


class SpeechScorer:
    """Holds the net on its device; safe to call from several threads."""

    def __init__(self, folder: ModelFolder, *, device: str = "auto") -> None:
        """Load and verify the weights of a model folder.

        Raises:
            WeightsMismatchError: The weights are not those that its config names.
        """
        import torch
        from safetensors.torch import load_file

        from detect.networks.audio.speech import SpeechNet

        folder.verify()
        self.device = pick_device(device)
        net = SpeechNet.from_options(folder.config["options"])
        state = {key: value.float() for key, value in load_file(folder.weights).items()}
        net.load_state_dict(state, strict=True)
        self._net = net.eval().requires_grad_(False).to(self.device)
        self._gate = self._net.gate.to("cpu")
        self._lock = threading.Lock()
        self._torch = torch

    def score(self, windows: Float32Array) -> Float64Array:
        """Return one logit a window.

        Args:
            windows: (windows, samples) float32 at 16 kHz, in [-1, 1].
        """
        torch = self._torch
        logits: list[Float64Array] = []
        for start in range(0, len(windows), BATCH):
            part = torch.from_numpy(np.ascontiguousarray(windows[start : start + BATCH])).to(self.device)
            with self._lock, torch.inference_mode():
                logits.append(self._net(part).double().cpu().numpy())
        return np.concatenate(logits) if logits else np.zeros(0)

    def activity(self, waveform: Float32Array) -> Float32Array:
        """Return the probability of speech for each 32 ms of a wave (samples,) at 16 kHz."""
        with self._lock:
            return cast(Float32Array, self._gate(self._torch.from_numpy(waveform)).numpy())


def load(name_or_folder: str | Path = "speech", *, device: str = "auto", folder: Path | None = None) -> SpeechScorer:
    """Return the scorer of a speech model by name or folder."""
    return SpeechScorer(find_model(name_or_folder, folder=folder), device=device)

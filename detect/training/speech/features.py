"""Describe every window once with the frozen parts of the net; training the heads then takes seconds."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from detect.networks.audio.speech import SpeechNet
from detect.training.speech.clips import Int16Array
from detect.types import Float32Array

logger = logging.getLogger(__name__)

BATCH = 16


class Waves(Protocol):
    """What `describe` reads: a sequence of windows."""

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def __getitem__(self, index: int) -> Int16Array:
        """Return one window (samples,)."""
        ...


class FeatureStore:
    """`features.f32` of shape (crops, features); grows by appending, so that a broken run resumes."""

    def __init__(self, folder: Path, width: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "features.f32"
        self.width = width
        self.path.touch()

    @property
    def done(self) -> int:
        """Return how many crops are described."""
        return self.path.stat().st_size // (4 * self.width)

    def load(self) -> Float32Array:
        """Return (done, features)."""
        return np.fromfile(self.path, np.float32, count=self.done * self.width).reshape(-1, self.width)


def describe(net: SpeechNet, waves: Waves, store: FeatureStore, *, device: str = "cpu") -> None:
    """Describe every wave that the store does not hold yet.

    Args:
        net: Its heads are not used.
        waves: A sequence of int16 windows of equal length; `waves[i]` may cut it at that moment.
        store: Grows to the length of `waves`.
        device: Where the net runs.
    """
    net = net.eval().to(device)
    count = len(waves)
    for start in range(store.done, count, BATCH):
        block = np.stack([waves[i] for i in range(start, min(count, start + BATCH))]).astype(np.float32) / 32767
        # Brain floats halve the time; pooled features move by 2 % of their spread, far less than a codec moves them.
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16):
            features = net.describe(torch.from_numpy(block).to(device)).float().cpu().numpy()
        with store.path.open("ab") as sink:
            sink.write(features.astype(np.float32).tobytes())
        if start % (BATCH * 10) == 0:
            logger.info("%s: described %d of %d", store.path.parent.name, start + len(block), count)

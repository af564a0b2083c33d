"""Describe every crop once with the frozen listener and the statistics; training the heads then takes seconds."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch

from detect.networks.audio.speech import SpeechNet
from detect.training.speech.crops import CropStore
from detect.types import Float32Array

logger = logging.getLogger(__name__)

BATCH = 16


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


def describe_crops(net: SpeechNet, crops: CropStore, store: FeatureStore, *, device: str = "cpu") -> None:
    """Describe every crop that the store does not hold yet."""
    net = net.eval().to(device)
    samples = crops.samples()
    for start in range(store.done, len(samples), BATCH):
        block = samples[start : start + BATCH].astype(np.float32) / 32767
        with torch.inference_mode():
            features = net.describe(torch.from_numpy(block).to(device)).float().cpu().numpy()
        with store.path.open("ab") as sink:
            sink.write(features.astype(np.float32).tobytes())
        if start % (BATCH * 50) == 0:
            logger.info("described %d of %d crops", start + len(block), len(samples))

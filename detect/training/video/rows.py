"""What the head is fitted on: one row of statistics a crop, and rows of every patch of delivered clips.

Both are measured once per network and kept, since the fit itself takes seconds and is repeated for every fold.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detect.evidence.patches import pick_patches
from detect.networks.graphs import open_session
from detect.networks.image.statistics_net import StatisticsNet
from detect.training.scatter import Strings
from detect.training.statistics import export_statistics
from detect.training.video.calibrate import ClipFrames
from detect.training.video.crops import DrawnCrops
from detect.types import UInt8Array

log = logging.getLogger(__name__)
Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Rows:
    """Statistics (N, F), labels (N,), True = generated, and the generator or source of each row."""

    features: Float32Array
    labels: npt.NDArray[np.bool_]
    names: Strings

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: npt.NDArray[np.bool_]) -> Rows:
        """Return some of the rows."""
        return Rows(self.features[chosen], self.labels[chosen], self.names[chosen])


@dataclass(frozen=True)
class ClipRows:
    """Statistics of the patches of one delivered clip, (frames, patches, F)."""

    clip: ClipFrames
    features: Float32Array


class RowMeter:
    """Runs the stages of a network on one thread and keeps what it measured in `folder`, one folder a network."""

    def __init__(self, network: StatisticsNet, folder: Path, *, patch_side: int, max_patches: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.patch_side, self.max_patches = folder, patch_side, max_patches
        self._session: Any = open_session(export_statistics(network), threads=1)

    def measure_crops(self, crops: DrawnCrops) -> Rows:
        """Return one row a crop."""
        kept = self.folder / "crops.npy"
        if not kept.exists():
            np.save(kept, np.stack([self._row(crop) for crop in crops.pixels]))
        return Rows(np.load(kept), crops.labels, np.array(crops.names))

    def measure_clips(self, clips: Sequence[ClipFrames]) -> list[ClipRows]:
        """Return the rows of every patch that the product looks at, frame by frame."""
        found = []
        for number, clip in enumerate(clips):
            kept = self.folder / f"{clip.file.stem}.npy"
            if not kept.exists():
                np.save(kept, np.stack([self._rows(frame) for frame in np.load(clip.file)]))
            found.append(ClipRows(clip, np.load(kept)))
            if number % 100 == 0:
                log.info("statistics of %d of %d delivered clips", number, len(clips))
        return found

    def _rows(self, frame: UInt8Array) -> Float32Array:
        patches = pick_patches(frame, side=self.patch_side, max_patches=self.max_patches)
        return np.stack([self._row(patch.pixels) for patch in patches])

    def _row(self, pixels: UInt8Array) -> Float32Array:
        batch = pixels[None].transpose(0, 3, 1, 2).astype(np.float32, order="C") / np.float32(127.5) - np.float32(1)
        row: Float32Array = self._session.run(None, {"patches": batch})[0][0]
        return row


def join_rows(crops: Rows, clips: Sequence[ClipRows]) -> Rows:
    """Return the training rows: every crop, and of every second frame of a delivered clip the mean of its patches."""
    frames = [clip.features[::2].mean(axis=1) for clip in clips]
    counts = [len(part) for part in frames]
    return Rows(
        np.concatenate([crops.features, *frames]).astype(np.float32),
        np.concatenate([crops.labels, np.repeat([clip.clip.is_fake for clip in clips], counts)]).astype(bool),
        np.concatenate([crops.names, np.repeat([f"clip:{clip.clip.origin}" for clip in clips], counts)]),
    )

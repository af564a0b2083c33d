"""Draw training crops once: from the stream of batches, after their passage through an encoder, kept in a folder."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from detect.training.video.batches import FrameStream
from detect.types import UInt8Array

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DrawnCrops:
    """Crops after their passage: (N, side, side, 3) uint8, labels (N,), and the generator or source of each."""

    pixels: UInt8Array
    labels: npt.NDArray[np.bool_]
    names: tuple[str, ...]


def draw_crops(stream: FrameStream, folder: Path, *, count: int) -> DrawnCrops:
    """Draw crops from the stream once and keep them in `folder`; they do not depend on any network."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels_file, facts_file = folder / "drawn.npy", folder / "drawn.json"
    if not facts_file.exists():
        side, batch = stream.plan.side, stream.plan.batch
        steps = -(-count // batch)
        kept = np.lib.format.open_memmap(pixels_file, mode="w+", dtype=np.uint8, shape=(steps * batch, side, side, 3))
        labels: list[bool] = []
        names: list[str] = []
        for step in range(steps):
            crops, truth, origins = stream.draw_named(step)
            kept[step * batch : (step + 1) * batch] = crops
            labels += [bool(value) for value in truth]
            names += origins
            if step % 50 == 0:
                log.info("crops: %d of %d", step * batch, steps * batch)
        kept.flush()
        facts_file.write_text(json.dumps({"labels": labels, "names": names}))
    facts = json.loads(facts_file.read_text())
    return DrawnCrops(np.load(pixels_file, mmap_mode="r"), np.array(facts["labels"], bool), tuple(facts["names"]))

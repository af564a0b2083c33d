"""Cut training faces from clips: pairs of the same frame before and after a swap, and single faces.

Side-by-side clips hold the input in their left half and the swapped frame in their right one: same codec, scene and
size, so nothing but the swap tells the halves apart. The box is found in the left half and used for both.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from detect.networks.face.detector import FaceDetector
from detect.training.face.pictures import cut_pair
from detect.training.face.store import LEAST_FACE, ClipRow, StoredFace, difference, read_store, store_crop
from detect.types import UInt8Array

log = logging.getLogger(__name__)

LARGEST_PICTURE = 2000
"""Pictures are shrunk to this longest side (pixels) before faces are looked for."""

CHANGED = 4.0
"""Mean absolute difference in grey levels between the halves inside the box above which a face counts as swapped;
re-encoding alone gives about 1."""


def cut_faces(rows: Sequence[ClipRow], folder: Path, detector: FaceDetector, *, frames: int) -> list[StoredFace]:
    """Cut up to `frames` moments of every clip, and every pair of pictures, into `folder`; return what was stored.

    What was cut before is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(rows):
        log_file = folder / f"{row.origin.replace('/', '-')}_{row.stem}.jsonl"
        if log_file.exists():
            continue
        try:
            is_pair = row.layout == "pair"
            entries = list(cut_pair(row, folder, detector) if is_pair else _cut_clip(row, folder, detector, frames))
        except (OSError, ValueError) as error:
            log.warning("%s: %s", row.file.name, error)
            entries = []
        log_file.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
        if number % 20 == 0:
            log.info("%d of %d clips cut", number, len(rows))
    return read_store(folder)


def _cut_clip(row: ClipRow, folder: Path, detector: FaceDetector, frames: int) -> Iterator[dict[str, Any]]:
    stem = f"{row.origin.replace('/', '-')}_{row.file.stem}"
    for index, pixels in enumerate(spread_frames(row.file, frames)):
        if row.layout == "whole":
            for face in detector.find(pixels)[:2]:
                if face.side >= LEAST_FACE and face.score >= 0.6:
                    yield store_crop(pixels, face, folder, f"{stem}_{index}_{round(face.box[0])}", row.label, row, "")
            continue
        middle = pixels.shape[1] // 2
        halves = {"real": pixels[:, :middle], "fake": pixels[:, middle : 2 * middle]}
        for face in detector.find(np.ascontiguousarray(halves["real"]))[:2]:
            if face.side < LEAST_FACE or difference(halves["real"], halves["fake"], face) < CHANGED:
                continue
            pair = f"{stem}_{index}_{round(face.box[0])}"
            for label, half in halves.items():
                yield store_crop(half, face, folder, f"{pair}_{label}", label, row, pair)


def spread_frames(file: Path, count: int) -> Iterator[UInt8Array]:
    """Yield about `count` frames spread evenly over a clip, or the one frame of a picture, (H, W, 3) uint8."""
    if file.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp"):
        with Image.open(file) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGB")
        upright.thumbnail((LARGEST_PICTURE, LARGEST_PICTURE), Image.Resampling.LANCZOS)
        yield np.asarray(upright)
        return
    import av

    with av.open(str(file)) as container:
        if not container.streams.video:
            raise ValueError("no video track")
        stream = container.streams.video[0]
        total = stream.frames or round(float(stream.duration or 0) * float(stream.time_base or 0) * 25) or 250
        step = max(1, total // count)
        for index, frame in enumerate(container.decode(stream)):
            if index % step == step // 2:
                yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            if index > step * count:
                return

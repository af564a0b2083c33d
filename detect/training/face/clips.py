"""Cut training faces from clips: pairs of the same frame before and after a swap, and single faces.

Side-by-side clips hold the input in their left half and the swapped frame in their right one: same codec, scene and
size, so nothing but the swap tells the halves apart. The box is found in the left half and used for both.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from detect.networks.face.align import LARGEST_FACE
from detect.networks.face.detector import Face, FaceDetector
from detect.types import UInt8Array

log = logging.getLogger(__name__)

CONTEXT = 2.0
"""Side of a stored crop in units of the face: what encoders do at its edge stays outside of what is judged."""

LEAST_FACE = 64
"""Faces with a smaller box (pixels) are not cut: they are not judged either."""

LARGEST_PICTURE = 2000
"""Pictures are shrunk to this longest side (pixels) before faces are looked for."""

CHANGED = 4.0
"""Mean absolute difference in grey levels between the halves inside the box above which a face counts as swapped;
re-encoding alone gives about 1."""


@dataclass(frozen=True)
class ClipRow:
    """One line of the clip list: `layout` is `side_by_side` or `whole`; `label` is that of a whole clip or picture."""

    file: Path
    layout: str
    label: str
    person: str
    origin: str


@dataclass(frozen=True)
class StoredFace:
    """One stored crop: its file and the clip it comes from, what it is, whom it shows, its pair, box and points."""

    file: str
    clip: str
    label: str
    person: str
    origin: str
    pair: str
    face: Face


def read_clip_list(path: Path) -> list[ClipRow]:
    """Read a JSON Lines list of clips with `file`, `layout`, `label`, `person`, `origin`; paths relative to it."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row: dict[str, Any] = json.loads(line)
        origin = str(row.get("origin") or row.get("source") or row.get("generator") or "unknown")
        rows.append(
            ClipRow(
                path.parent / row["file"],
                str(row.get("layout", "whole")),
                str(row.get("label", "")),
                str(row.get("person") or row.get("group") or row.get("sha256") or row["file"]),
                origin,
            )
        )
    return rows


def cut_faces(rows: Sequence[ClipRow], folder: Path, detector: FaceDetector, *, frames: int) -> list[StoredFace]:
    """Cut up to `frames` moments of every clip into `folder` and return what was stored; done clips are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(rows):
        log_file = folder / f"{row.origin.replace('/', '-')}_{row.file.stem}.jsonl"
        if log_file.exists():
            continue
        try:
            entries = list(_cut_clip(row, folder, detector, frames))
        except (OSError, ValueError) as error:
            log.warning("%s: %s", row.file.name, error)
            entries = []
        log_file.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
        if number % 20 == 0:
            log.info("%d of %d clips cut", number, len(rows))
    return read_store(folder)


def read_store(folder: Path) -> list[StoredFace]:
    """Return every stored crop of a folder, in a fixed order."""
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            box = tuple(float(value) for value in row["box"])
            face = Face((box[0], box[1], box[2], box[3]), 1.0, np.array(row["landmarks"], np.float64))
            found.append(
                StoredFace(
                    str(folder / row["file"]),
                    path.stem,
                    row["label"],
                    row["person"],
                    row["origin"],
                    row["pair"],
                    face,
                )
            )
    return found


def _cut_clip(row: ClipRow, folder: Path, detector: FaceDetector, frames: int) -> Iterator[dict[str, Any]]:
    stem = f"{row.origin.replace('/', '-')}_{row.file.stem}"
    for index, pixels in enumerate(spread_frames(row.file, frames)):
        if row.layout == "whole":
            for face in detector.find(pixels)[:2]:
                if face.side >= LEAST_FACE and face.score >= 0.6:
                    yield _store(pixels, face, folder, f"{stem}_{index}_{round(face.box[0])}", row.label, row, "")
            continue
        middle = pixels.shape[1] // 2
        halves = {"real": pixels[:, :middle], "fake": pixels[:, middle : 2 * middle]}
        for face in detector.find(np.ascontiguousarray(halves["real"]))[:2]:
            if face.side < LEAST_FACE or _difference(halves["real"], halves["fake"], face) < CHANGED:
                continue
            pair = f"{stem}_{index}_{round(face.box[0])}"
            for label, half in halves.items():
                yield _store(half, face, folder, f"{pair}_{label}", label, row, pair)


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


def _difference(real: UInt8Array, fake: UInt8Array, face: Face) -> float:
    x, y, width, height = (max(0, round(value)) for value in face.box)
    first = real[y : y + height, x : x + width].astype(np.float32)
    return float(np.abs(first - fake[y : y + height, x : x + width]).mean())


def _store(
    pixels: UInt8Array, face: Face, folder: Path, name: str, label: str, row: ClipRow, pair: str
) -> dict[str, Any]:
    """Write one crop as PNG and return its line."""
    x, y, width, height = face.box
    half = CONTEXT * face.side / 2
    left, top = max(0, round(x + width / 2 - half)), max(0, round(y + height / 2 - half))
    crop = pixels[top : round(y + height / 2 + half), left : round(x + width / 2 + half)]
    picture = Image.fromarray(np.ascontiguousarray(crop))
    scale = min(1.0, LARGEST_FACE / face.side)
    if scale < 1.0:
        picture = picture.resize(
            (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS
        )
    picture.save(folder / f"{name}.png")
    return {
        "file": f"{name}.png",
        "label": label,
        "person": row.person,
        "origin": row.origin,
        "pair": pair,
        "box": [(x - left) * scale, (y - top) * scale, width * scale, height * scale],
        "landmarks": ((face.landmarks - [left, top]) * scale).tolist(),
    }

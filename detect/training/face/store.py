"""The store of cut training faces: one PNG a face with twice its surroundings, and one JSON line for it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from detect.networks.face.align import LARGEST_FACE
from detect.networks.face.detector import Face
from detect.types import UInt8Array

CONTEXT = 2.0
"""Side of a stored crop in units of the face: what encoders do at its edge stays outside of what is judged."""

LEAST_FACE = 64
"""Faces with a smaller box (pixels) are not cut: they are not judged either."""


@dataclass(frozen=True)
class ClipRow:
    """One line of the clip list.

    Attributes:
        file: A clip or picture.
        layout: `side_by_side`: the swapped frame in the right half; `pair`: two pictures; `whole`.
        label: `real` or `fake`, of a whole clip or picture.
        person: Whom it shows, or what else must be left out together.
        origin: Its source, or the program that swapped.
        swapped_file: Of a pair, the picture after the swap.
        crop: Of a pair, the part of `file` that counts: left, top, right, bottom in pixels; empty = all.
        swapped_crop: The same for `swapped_file`.
        face: Of a pair, the box of the face that was swapped in pixels of the uncut `file`; empty = any.
    """

    file: Path
    layout: str
    label: str
    person: str
    origin: str
    swapped_file: Path | None = None
    crop: tuple[float, ...] = ()
    swapped_crop: tuple[float, ...] = ()
    face: tuple[float, ...] = ()

    @property
    def stem(self) -> str:
        """Return a name for what is cut from it; pairs of one figure differ in their crops."""
        if self.swapped_file is None:
            return self.file.stem
        parts = (self.file.name, self.swapped_file.name, self.crop, self.swapped_crop, self.face)
        return f"{self.file.stem[:24]}_{hashlib.sha256(repr(parts).encode()).hexdigest()[:12]}"


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

    @property
    def name(self) -> str:
        """Return the name of its file."""
        return self.file.rsplit("/", 1)[-1]


def read_clip_list(path: Path) -> list[ClipRow]:
    """Read a JSON Lines list of clips with the fields of `ClipRow`; paths are relative to it."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row: dict[str, Any] = json.loads(line)
        swapped = row.get("swapped_file")
        rows.append(
            ClipRow(
                path.parent / row["file"],
                str(row.get("layout", "whole")),
                str(row.get("label", "")),
                str(row.get("person") or row.get("group") or row.get("sha256") or row["file"]),
                str(row.get("origin") or row.get("source") or row.get("generator") or "unknown"),
                path.parent / swapped if swapped else None,
                *(tuple(float(value) for value in row.get(name) or ()) for name in ("crop", "swapped_crop", "face")),
            )
        )
    return rows


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


def difference(real: UInt8Array, fake: UInt8Array, face: Face) -> float:
    """Return the mean absolute difference inside a face's box, in grey levels."""
    x, y, width, height = (max(0, round(value)) for value in face.box)
    first = real[y : y + height, x : x + width].astype(np.float32)
    return float(np.abs(first - fake[y : y + height, x : x + width]).mean())


def store_crop(
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

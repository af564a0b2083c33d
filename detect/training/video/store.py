"""Cut training frames from clips: borders off, spread over the clip, kept without loss for the crop store."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from detect.bench.data.item import Item, Label
from detect.training.face.clips import spread_frames
from detect.training.image.crops import CropStore, build_store

log = logging.getLogger(__name__)

BORDER = 0.13
"""Cut from each side: logos and captions sit there on generated clips only (data.md, "Shortcuts")."""

LOWER_LEFT = {"VASA-1": 0.25, "FLOAT": 0.25}
"""Generators with an inset at the lower left: so much goes at the bottom and at the left."""


def cut_frames(items: Sequence[Item], folder: Path, *, frames: int) -> list[dict[str, Any]]:
    """Write `frames` frames of every clip as PNG and return rows for `build_store`; done clips are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for number, item in enumerate(items):
        name = f"{item.sha256 or item.id}{item.facts.get('crop', '')}"
        stem = hashlib.sha256(name.encode()).hexdigest()[:16]
        listing = folder / f"{stem}.json"
        if not listing.exists():
            listing.write_text(json.dumps(_cut_clip(item, folder, stem, frames)))
        rows += [
            {**to_row(item, folder / name), "sha256": name.removesuffix(".png")}
            for name in json.loads(listing.read_text())
        ]
        if number % 50 == 0:
            log.info("frames of %d of %d clips", number, len(items))
    return rows


def to_row(item: Item, file: Path) -> dict[str, Any]:
    """Return the row of one picture for `build_frame_store`."""
    return {
        "file": str(file),
        "label": str(item.label),
        ("source" if item.label is Label.REAL else "generator"): item.origin,
        "group": item.group or item.id,
        "sha256": item.sha256 or item.id,
    }


def build_frame_store(rows: Sequence[dict[str, Any]], folder: Path, *, seed: int) -> CropStore:
    """Return the store of native crops of cut frames or pictures."""
    return build_store(rows, folder, seed=seed)


def _cut_clip(item: Item, folder: Path, stem: str, frames: int) -> list[str]:
    names: list[str] = []
    try:
        for index, pixels in enumerate(spread_frames(item.file, frames)):
            name = f"{stem}-{index}.png"
            inner = cut_border(cut_panel(pixels, item.facts.get("crop")), item.origin)
            Image.fromarray(np.ascontiguousarray(inner)).save(folder / name, compress_level=1)
            names.append(name)
    except (OSError, ValueError) as error:
        log.warning("%s: %s", item.file.name, error)
    return names


def cut_panel(pixels: np.ndarray[Any, Any], crop: Sequence[float] | None) -> np.ndarray[Any, Any]:
    """Return the panel of a composite, given by (left, top, right, bottom) in shares of the frame; None = all of it."""
    if crop is None:
        return pixels
    height, width = pixels.shape[:2]
    left, top, right, bottom = crop
    return pixels[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]


def cut_border(pixels: np.ndarray[Any, Any], origin: str) -> np.ndarray[Any, Any]:
    """Return the inner part of a frame."""
    height, width = pixels.shape[:2]
    low = LOWER_LEFT.get(origin, BORDER)
    return pixels[round(BORDER * height) : round((1 - low) * height), round(low * width) : round((1 - BORDER) * width)]

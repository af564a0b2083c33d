"""A small labelled picture set: fakes carry a checker pattern that a toy detector can see."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def draw(seed: int, *, fake: bool, side: int = 64) -> Image.Image:
    """Return smooth noise; fakes add a faint 2-pixel checker."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(60, 190, (8, 8, 3), dtype=np.uint8))
    pixels = np.asarray(small.resize((side, side), Image.Resampling.BICUBIC), dtype=np.int16)
    if fake:
        rows, columns = np.indices((side, side))
        pixels = pixels + (12 * ((rows + columns) % 2) - 6)[..., None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


@pytest.fixture
def make_manifest(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a manifest of `count` pictures a label with three origins a label."""

    def make(count: int = 6, *, split: str = "val", name: str = "manifest.jsonl") -> Path:
        rows = []
        for index in range(2 * count):
            fake = index % 2 == 1
            file = tmp_path / f"{split}-{index}.png"
            draw(index, fake=fake).save(file)
            row = {
                "id": f"{split}-{index}",
                "kind": "image",
                "label": "fake" if fake else "real",
                ("generator" if fake else "source"): f"{'gen' if fake else 'src'}{index % 3}",
                "split": split,
                "path": file.name,
            }
            rows.append(json.dumps(row))
        manifest = tmp_path / name
        with manifest.open("a", encoding="utf-8") as sink:
            sink.write("\n".join(rows) + "\n")
        return manifest

    return make

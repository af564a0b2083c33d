"""Small media, a plan over them, and a judge that needs no model."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detect.analyzer import AnalyzerSettings
from detect.scan import ScanPlan


def picture(seed: int, *, side: int = 96, suffix: str = "PNG") -> bytes:
    """Return the bytes of a small textured picture."""
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, suffix)
    return sink.getvalue()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of five pictures, one of them twice, with one broken and one empty file."""
    folder = tmp_path / "pictures"
    (folder / "sub").mkdir(parents=True)
    for number in range(4):
        (folder / f"{number}.png").write_bytes(picture(number))
    (folder / "sub" / "again.png").write_bytes(picture(1))
    (folder / "sub" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    (folder / "sub" / "empty.gif").write_bytes(b"")
    (folder / "notes.txt").write_text("no media")
    return folder


@pytest.fixture
def make_plan(tiny_models: Path, tmp_path: Path) -> Callable[..., ScanPlan]:
    """Return a function that makes a quick plan with the random model."""

    def make(*sources: object, **changes: object) -> ScanPlan:
        settings = AnalyzerSettings(models_dir=tiny_models, device="cpu", locate=False, check_stability=False)
        given = {"settings": settings, "processes": 1, "chunk_items": 2, "out": tmp_path / "out.parquet", **changes}
        return ScanPlan(tuple(str(source) for source in sources), **given)  # type: ignore[arg-type]

    return make

"""One door to labelled data: whatever the path is, a `DataSet` comes out."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from detect.bench.data.croissant import read_croissant
from detect.bench.data.folders import read_folders
from detect.bench.data.item import DataSet
from detect.bench.data.manifest import read_manifest
from detect.bench.data.protocols import read_asvspoof, read_deepfakebench, read_in_the_wild
from detect.bench.probe import medium_of
from detect.errors import ConfigError

LAYOUTS = ("auto", "manifest", "folders", "asvspoof", "in-the-wild", "deepfakebench", "croissant")


def guess_layout(path: Path) -> str:
    """Return the layout that the path has, from its ending and its first lines.

    Raises:
        ConfigError: Missing, or of no known form.
    """
    if path.is_dir():
        return "folders"
    if not path.is_file():
        raise ConfigError(f"{path} does not exist")
    ending = path.suffix.lower()
    if ending == ".txt":
        return "asvspoof"
    if ending == ".json":
        return "croissant" if "@context" in json.loads(path.read_text(encoding="utf-8")) else "deepfakebench"
    if ending == ".csv":
        with path.open(encoding="utf-8", newline="") as lines:
            head = next(csv.reader(lines), [])
        return "in-the-wild" if set(head) == {"file", "speaker", "label"} else "manifest"
    return "manifest"


def read_data(
    path: Path,
    *,
    kind: str,
    splits: tuple[str, ...] = (),
    layout: str = "auto",
    files: Path | None = None,
) -> DataSet:
    """Return the labelled files of one kind.

    Args:
        path: A manifest, a folder tree, a protocol file or a Croissant description.
        kind: `image`, `audio`, `video`, `face` or `music`.
        splits: Keep these splits; empty = all. Layouts that know no splits ignore it.
        layout: One of `LAYOUTS`; `auto` guesses.
        files: Folder that relative paths start from, where it is not the path's own.

    Raises:
        ConfigError: Unknown layout, or nothing usable.
    """
    if layout not in LAYOUTS:
        raise ConfigError(f"unknown layout {layout!r} (known: {', '.join(LAYOUTS)})")
    readers: dict[str, Callable[[], DataSet]] = {
        "manifest": lambda: read_manifest(path, kinds=(kind,), splits=splits, files=files),
        "croissant": lambda: read_croissant(path, kinds=(kind,), splits=splits, files=files),
        "folders": lambda: read_folders(path, medium=medium_of(kind), kind=kind, splits=splits),
        "asvspoof": lambda: read_asvspoof(path, files=files),
        "in-the-wild": lambda: read_in_the_wild(path, files=files),
        "deepfakebench": lambda: read_deepfakebench(path, files=files, splits=splits),
    }
    data = readers[guess_layout(path) if layout == "auto" else layout]()
    return replace(data, items=tuple(replace(item, kind=item.kind or kind) for item in data.items))

"""Protocol files of published sets: ASVspoof 2019/2021/5, In-the-Wild, DeepfakeBench."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from detect.bench.data.item import DataSet, Item, Label
from detect.bench.data.manifest import parse_label
from detect.errors import ConfigError

_KEYS = {"bonafide": Label.REAL, "spoof": Label.FAKE}
_AUDIO_FOLDERS = ("", "flac", "wav", "wavs")
_AUDIO_ENDINGS = (".flac", ".wav")


def read_asvspoof(protocol: Path, *, files: Path | None = None) -> DataSet:
    """Return the data set of an ASVspoof protocol (of 2019, of 2021, of ASVspoof 5).

    Every line holds speaker, file name, ..., system, key; the key is `bonafide` or `spoof`, the system stands before
    it. Bona fide files have the speaker as their source. Sound files are looked for below `files` (default: the
    protocol's folder) and its `flac/`.

    Raises:
        ConfigError: A line without a key.
    """
    root = files or protocol.parent
    items = []
    for number, line in enumerate(protocol.read_text(encoding="utf-8").splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        place = next((i for i, word in enumerate(words) if word in _KEYS), None)
        if place is None or place < 2:
            raise ConfigError(f"{protocol} line {number} has no key (bonafide or spoof) after speaker, file and system")
        label = _KEYS[words[place]]
        origin = words[0] if label is Label.REAL else words[place - 1]
        items.append(
            Item(
                id=words[1],
                file=_find_sound(root, words[1]),
                kind="audio",
                label=label,
                origin=origin,
                group=words[0],
            )
        )
    return DataSet.of(protocol.stem, items)


def _find_sound(root: Path, name: str) -> Path:
    for folder in _AUDIO_FOLDERS:
        for ending in _AUDIO_ENDINGS:
            file = root / folder / f"{name}{ending}"
            if file.is_file():
                return file
    return root / "flac" / f"{name}.flac"


def read_in_the_wild(table: Path, *, files: Path | None = None) -> DataSet:
    """Return the data set of In-the-Wild's `meta.csv` (file, speaker, label); the speaker is the origin of both labels.

    The set does not name generators, so intervals resample speakers.
    """
    root = files or table.parent
    with table.open(encoding="utf-8", newline="") as lines:
        items = [
            Item(
                id=row["file"],
                file=root / row["file"],
                kind="audio",
                label=parse_label(row["label"]),
                origin=row["speaker"],
                group=row["speaker"],
            )
            for row in csv.DictReader(lines)
        ]
    return DataSet.of(table.parent.name, items)


def read_deepfakebench(listing: Path, *, files: Path | None = None, splits: tuple[str, ...] = ()) -> DataSet:
    """Return the data set of a DeepfakeBench JSON: {set: {method: {split: [{compression:] {video: {label, frames}}}}}}.

    One item a frame; the video is its group, the method its origin. A method whose name ends in `real` is real.

    Raises:
        ConfigError: Not of that form.
    """
    root = files or listing.parent
    tree = json.loads(listing.read_text(encoding="utf-8"))
    items = []
    for method, split, video, frames in _videos(tree):
        if splits and split not in splits:
            continue
        label = Label.REAL if method.lower().rstrip("_").endswith("real") else Label.FAKE
        for frame in frames:
            path = frame.replace("\\", "/")
            items.append(
                Item(
                    id=path,
                    file=root / path,
                    kind="face",
                    label=label,
                    origin=method,
                    split=split,
                    group=f"{method}/{video}",
                )
            )
    if not items:
        raise ConfigError(f"{listing} lists no frames of split {'/'.join(splits) or 'any'} in DeepfakeBench's form")
    return DataSet.of(listing.stem, items)


def _videos(tree: Any) -> Iterator[tuple[str, str, str, list[str]]]:
    """Yield (method, split, video, frames); the compression level is an optional layer."""
    for methods in _mapping(tree).values():
        for method, split_tree in _mapping(methods).items():
            for split, content in _mapping(split_tree).items():
                for name, entry in _mapping(content).items():
                    if isinstance(entry, Mapping) and "frames" in entry:
                        yield method, split, name, list(entry["frames"])
                        continue
                    for video, inner in _mapping(entry).items():
                        yield method, split, f"{name}/{video}", list(_mapping(inner).get("frames", ()))


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"expected an object in DeepfakeBench's JSON, found {type(value).__name__}")
    return value

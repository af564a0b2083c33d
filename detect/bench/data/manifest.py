"""Manifests: JSON Lines, CSV or Parquet with one row a file.

Columns: `label` (real | fake | edited; 0 and 1 are read as real and fake), and a file: `file` (absolute or relative to
the manifest's folder), else `pack` (a copy next to the manifest), else `path`. Optional: `id`, `kind`, `split`,
`generator`, `source`, `sha256`, `group`, `pair`, `repo`, facts such as `width`, `bytes`, `format`, `duration_s`, `crop`
(left, top, right, bottom in shares of the frame: the panel of a composite, heeded by training alone), and groups of
people or content for the fairness tables: `language`, `accent`, `gender`, `age`, `skin_tone`, `region`, `category`, or
any `slice_<name>`.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from detect.bench.data.item import DataSet, Item, Label
from detect.errors import ConfigError

_FACTS = ("bytes", "width", "height", "format", "duration_s", "sample_rate_hz", "pack_derived", "crop")
_SLICES = ("language", "accent", "gender", "age", "skin_tone", "region", "category")
_LABELS = {
    "real": Label.REAL,
    "0": Label.REAL,
    "bonafide": Label.REAL,
    "bona-fide": Label.REAL,
    "authentic": Label.REAL,
    "fake": Label.FAKE,
    "1": Label.FAKE,
    "spoof": Label.FAKE,
    "synthetic": Label.FAKE,
    "generated": Label.FAKE,
    "edited": Label.EDITED,
    "manipulated": Label.EDITED,
}


def parse_label(value: object) -> Label:
    """Return the label that a cell of a manifest means.

    Raises:
        ConfigError: A word that is not one of the known ones; a guess here would turn all figures round.
    """
    label = _LABELS.get(str(value).strip().lower())
    if label is None:
        raise ConfigError(f"label {value!r} is not one of {', '.join(sorted(_LABELS))}")
    return label


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the raw rows of a JSON Lines, CSV or Parquet manifest.

    Raises:
        ConfigError: Missing file, unknown ending, or a line that is not JSON (with its number).
    """
    if not path.is_file():
        raise ConfigError(f"manifest {path} does not exist")
    ending = path.suffix.lower()
    if ending in (".jsonl", ".ndjson"):
        yield from _read_json_lines(path)
    elif ending in (".csv", ".tsv"):
        with path.open(encoding="utf-8", newline="") as lines:
            yield from csv.DictReader(lines, delimiter="\t" if ending == ".tsv" else ",")
    elif ending == ".parquet":
        import pyarrow.parquet

        yield from pyarrow.parquet.read_table(path).to_pylist()
    else:
        raise ConfigError(f"manifest {path} ends in {ending!r}; expected .jsonl, .csv, .tsv or .parquet")


def _read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise ConfigError(f"{path} line {number} is not JSON: {error}") from error
            if not isinstance(row, dict):
                raise ConfigError(f"{path} line {number} is a {type(row).__name__}, not an object")
            yield row


def read_manifest(
    path: Path, *, kinds: tuple[str, ...] = (), splits: tuple[str, ...] = (), files: Path | None = None
) -> DataSet:
    """Return the data set of a manifest.

    Args:
        path: The manifest.
        kinds: Keep rows of these kinds; empty = all. Rows without `kind` are kept.
        splits: Keep rows of these splits; empty = all.
        files: Folder that relative paths start from; default the manifest's own.

    Raises:
        ConfigError: Unreadable manifest, unknown label, or no row left.
    """
    return data_set_of(read_rows(path), name=path.stem, root=files or path.parent, kinds=kinds, splits=splits)


def data_set_of(
    rows: Iterable[Mapping[str, Any]],
    *,
    name: str,
    root: Path,
    kinds: tuple[str, ...] = (),
    splits: tuple[str, ...] = (),
) -> DataSet:
    """Return the data set of raw rows; see `read_manifest`."""
    seen: Counter[str] = Counter()
    listed = [
        _to_item(row, root, seen)
        for row in rows
        if (not kinds or not row.get("kind") or row["kind"] in kinds) and (not splits or row.get("split") in splits)
    ]
    if not listed:
        raise ConfigError(f"{name} has no row of kind {'/'.join(kinds) or 'any'} and split {'/'.join(splits) or 'any'}")
    return DataSet.of(name, listed)


def _to_item(row: Mapping[str, Any], root: Path, seen: Counter[str]) -> Item:
    label = parse_label(row.get("label", ""))
    location = row.get("file") or row.get("pack") or row.get("path") or ""
    name = str(row.get("id") or row.get("sha256") or location)
    seen[name] += 1
    if seen[name] > 1:  # the same bytes listed twice stay two rows
        name = f"{name}#{seen[name]}"
    origin = row.get("source") if label is Label.REAL else row.get("generator")
    return Item(
        id=name,
        file=root / str(location),
        kind=str(row.get("kind") or ""),
        label=label,
        origin=str(origin or row.get("source") or row.get("generator") or "unknown"),
        split=str(row.get("split") or ""),
        sha256=str(row.get("sha256") or ""),
        group=str(row.get("group") or ""),
        pair=str(row.get("pair") or ""),
        repo=str(row.get("repo") or ""),
        facts={key: row[key] for key in _FACTS if row.get(key) not in (None, "")},
        slices={
            key.removeprefix("slice_"): str(value)
            for key, value in row.items()
            if value not in (None, "") and (key in _SLICES or key.startswith("slice_"))
        },
    )

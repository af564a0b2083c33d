"""Predictions on disk: small Parquet parts written atomically, so that a killed run loses no finished chunk.

A row is named by (detector, perturbation, id). Parts are only ever added, by rename; reading drops repeated names, so
neither a kill between "merged" and "parts removed" nor a repeated chunk can double a row.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from detect.errors import ConfigError

PREDICTIONS_VERSION = "1"
Key = tuple[str, str, str]

_SCHEMA = pa.schema(
    [
        ("detector", pa.string()),
        ("perturbation", pa.string()),
        ("id", pa.string()),
        ("sha256", pa.string()),
        ("kind", pa.string()),
        ("label", pa.string()),
        ("origin", pa.string()),
        ("group", pa.string()),
        ("split", pa.string()),
        ("slices", pa.string()),
        ("score", pa.float64()),
        ("raw", pa.float64()),
        ("p_synthetic", pa.float64()),
        ("verdict", pa.string()),
        ("error", pa.string()),
        ("ms", pa.float64()),
        ("cpu_ms", pa.float64()),
        ("peak_rss_mb", pa.float64()),
        ("joules", pa.float64()),
        ("file_bytes", pa.int64()),
        ("file_format", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("duration_s", pa.float64()),
        ("sample_rate_hz", pa.int32()),
        ("fps", pa.float64()),
    ],
    metadata={"witnessmark.predictions": PREDICTIONS_VERSION},
)


@dataclass(frozen=True)
class Row:
    """One prediction of one detector on one file under one perturbation.

    `perturbation` is `name@version`. `origin` is the generator of a generated file, the source of a real one. `slices`
    is a JSON object of the item's groups, or empty. `raw` is the score before calibration and caps, where the detector
    has one: it ranks, and calibration is fitted to it. `ms` is wall time, `cpu_ms` the CPU time of the process and its
    children; `file_*` and the columns after them describe the file that the detector was given, after the perturbation.
    """

    detector: str
    perturbation: str
    id: str
    label: str
    origin: str
    kind: str = ""
    sha256: str = ""
    group: str = ""
    split: str = ""
    slices: str = ""
    score: float | None = None
    raw: float | None = None
    p_synthetic: float | None = None
    verdict: str = ""
    error: str = ""
    ms: float | None = None
    cpu_ms: float | None = None
    peak_rss_mb: float | None = None
    joules: float | None = None
    file_bytes: int | None = None
    file_format: str = ""
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    sample_rate_hz: int | None = None
    fps: float | None = None

    @property
    def key(self) -> Key:
        """Return what names the row."""
        return (self.detector, self.perturbation, self.id)


class PredictionStore:
    """The predictions of one run folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.parts = folder / "parts"
        self.merged = folder / "predictions.parquet"

    def append(self, rows: Sequence[Row]) -> None:
        """Write the rows as one part: complete after this call returns, absent if the process dies within it."""
        if rows:
            self.parts.mkdir(parents=True, exist_ok=True)
            _write(self.parts / f"{uuid.uuid4().hex}.parquet", rows)

    def read(self) -> list[Row]:
        """Return all rows, each name once, sorted by name."""
        found: dict[Key, Row] = {}
        for file in self._files():
            for row in read_rows(file):
                found.setdefault(row.key, row)
        return [found[key] for key in sorted(found)]

    def keys(self) -> set[Key]:
        """Return the names of all rows, without reading the rest."""
        found: set[Key] = set()
        for file in self._files():
            table = pq.read_table(file, columns=["detector", "perturbation", "id"])
            found.update(zip(*(table.column(name).to_pylist() for name in table.column_names), strict=True))
        return found

    def merge(self) -> Path:
        """Join all parts into `predictions.parquet`, then remove the parts."""
        parts = sorted(self.parts.glob("*.parquet")) if self.parts.is_dir() else []
        if parts or not self.merged.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(self.merged, self.read())
        for part in parts:
            part.unlink()
        return self.merged

    def replace(self, keep: Iterable[Row]) -> None:
        """Keep exactly these rows (used to try failed files again)."""
        parts = sorted(self.parts.glob("*.parquet")) if self.parts.is_dir() else []
        _write(self.merged, list(keep))
        for part in parts:
            part.unlink()

    def _files(self) -> Iterator[Path]:
        if self.merged.is_file():
            yield self.merged
        if self.parts.is_dir():
            yield from sorted(self.parts.glob("*.parquet"))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for one process; the system lets go of it when the process dies, however it dies.

        Raises:
            ConfigError: Another process writes to this folder.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as handle:
            try:
                import fcntl
            except ImportError:  # Windows: no advisory locks; a second run would only repeat work
                yield
                return
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ConfigError(f"another run writes to {self.folder}") from error
            yield


def read_rows(file: Path) -> list[Row]:
    """Return the rows of one predictions file; columns of a later version are ignored.

    Raises:
        ConfigError: The file lacks a column that names a row or its label.
    """
    table = pq.read_table(file)
    missing = {"detector", "perturbation", "id", "label", "origin"} - set(table.column_names)
    if missing:
        raise ConfigError(f"{file} is not a predictions file: no column {', '.join(sorted(missing))}")
    known = [name for name in _SCHEMA.names if name in table.column_names]
    return [Row(**row) for row in table.select(known).to_pylist()]


def _write(target: Path, rows: Sequence[Row]) -> None:
    """Write to a hidden neighbour, flush to the disk, rename: readers see nothing or everything."""
    table = pa.Table.from_pylist([_plain(row) for row in rows], schema=_SCHEMA)
    hidden = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    with hidden.open("wb") as sink:
        pq.write_table(table, sink, compression="zstd")
        sink.flush()
        os.fsync(sink.fileno())
    hidden.replace(target)


def _plain(row: Row) -> dict[str, Any]:
    return asdict(row)

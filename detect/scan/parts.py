"""The checkpoints of a scan and the table that they become.

`results.parquet.parts/` holds `scan.json` (what is scanned, and with what) and files `part-NNNNNN.parquet`. A part is
written under another name, flushed to the disk and then renamed, so it is whole or not there; parts follow each other
without a gap. A scan that was killed at any moment goes on after its last part. At the end the parts become one file in
the same way, and the folder goes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from detect.errors import ConfigError
from detect.scan.plan import digest
from detect.scan.rows import Row, schema, to_table

PLAN_NAME = "scan.json"
IDENTITY_KEY = b"witnessmark.scan"
ROW_GROUP = 10_000
_COMPRESSION = "zstd"


class Parts:
    """The working folder of one scan.

    Args:
        folder: Where parts stand.
        identity: What decides the rows; parts of another identity are not touched.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self.folder = folder
        self.identity = dict(identity)
        self.rows = 0
        self.names = hashlib.sha256()
        self._count = 0
        self._lock: IO[bytes] | None = None

    def open(self, *, is_fresh: bool) -> None:
        """Create the folder, or take up what is in it.

        Raises:
            ConfigError: It belongs to another scan, or cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(self.folder)
            self._take_up(is_fresh=is_fresh)
        except (OSError, ValueError) as error:
            self.close()
            raise ConfigError(f"{self.folder} cannot be used for checkpoints: {error}") from error
        except ConfigError:
            self.close()
            raise

    def _take_up(self, *, is_fresh: bool) -> None:
        """Check and count what is there."""
        plan = self.folder / PLAN_NAME
        if is_fresh:
            for old in self.folder.glob("part-*.parquet"):
                old.unlink()
            plan.unlink(missing_ok=True)
        if plan.is_file():
            _check_same(json.loads(plan.read_text(encoding="utf-8")), self.identity, self.folder)
        else:
            _write_whole(plan, json.dumps(self.identity, indent=1).encode())
        for torn in self.folder.glob("*.tmp"):
            torn.unlink()
        for path in self._paths():
            for names in _read_column(path, "name"):
                self._note(names)
            self._count += 1

    def add(self, rows: list[Row]) -> None:
        """Write the next part; its rows get their place in the table."""
        numbered = [{"index": self.rows + number, **row} for number, row in enumerate(rows)]
        path = self.folder / f"part-{self._count:06d}.parquet"
        temporary = path.with_suffix(".tmp")
        pq.write_table(to_table(numbered), temporary, compression=_COMPRESSION)
        _rename_flushed(temporary, path)
        self._note(row["name"] for row in rows)
        self._count += 1

    def known(self) -> Iterator[dict[str, Any]]:
        """Yield the rows that are first of their content, without their Reports."""
        columns = [name for name in schema().names if name != "report"]
        for path in self._paths():
            with pq.ParquetFile(path) as part:
                for batch in part.iter_batches(1000, columns=columns):
                    for row in pa.Table.from_batches([batch]).to_pylist():
                        if row["sha256"] and row["error_code"] is None and row["duplicate_of"] is None:
                            yield row

    def finish(self, out: Path) -> None:
        """Write one table of all parts, then remove them; row groups do not depend on where the parts end."""
        temporary = out.with_name(out.name + ".tmp")
        facts = {**self.identity, "rows": self.rows}
        target = schema().with_metadata({IDENTITY_KEY: json.dumps(facts).encode()})
        with pq.ParquetWriter(temporary, target, compression=_COMPRESSION) as writer:
            for table in self._groups():
                writer.write_table(table.replace_schema_metadata(target.metadata))
        _rename_flushed(temporary, out)
        self.remove()

    def remove(self) -> None:
        """Remove the folder."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Let another process take the folder up."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _groups(self) -> Iterator[pa.Table]:
        """Yield all rows in tables of `ROW_GROUP`."""
        held: list[pa.RecordBatch] = []
        count = 0
        for path in self._paths():
            with pq.ParquetFile(path) as part:
                for batch in part.iter_batches(1000):
                    while count + batch.num_rows >= ROW_GROUP:
                        room = ROW_GROUP - count
                        yield pa.Table.from_batches([*held, batch.slice(0, room)])
                        held, count, batch = [], 0, batch.slice(room)
                    if batch.num_rows:
                        held.append(batch)
                        count += batch.num_rows
        if held:
            yield pa.Table.from_batches(held)

    def _paths(self) -> list[Path]:
        paths = sorted(self.folder.glob("part-*.parquet"))
        expected = [self.folder / f"part-{number:06d}.parquet" for number in range(len(paths))]
        if sorted(paths) != sorted(expected):
            raise ConfigError(f"{self.folder}: a part is missing; start over with --fresh")
        return expected

    def _note(self, names: Iterable[str]) -> None:
        for name in names:
            self.names.update(name.encode() + b"\0")
            self.rows += 1


def finished_rows(out: Path, identity: Mapping[str, Any]) -> int | None:
    """Return the rows of a finished table of the same scan, or None when there is none.

    Raises:
        ConfigError: There is a file, and it is not the result of this scan.
    """
    if not out.exists():
        return None
    try:
        metadata = pq.read_schema(out).metadata or {}
        facts = json.loads(metadata[IDENTITY_KEY])
        rows = int(facts.pop("rows"))
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise ConfigError(f"{out} exists and is no result of a scan; name another file") from error
    _check_same(facts, identity, out)
    return rows


def _check_same(found: Mapping[str, Any], identity: Mapping[str, Any], place: Path) -> None:
    if digest(found) == digest(identity):
        return
    other = ", ".join(key for key in identity if found.get(key) != identity[key]) or "other things"
    raise ConfigError(f"{place} belongs to a scan with another {other}; start over with --fresh, or name another file")


def _read_column(path: Path, column: str) -> Iterator[list[str]]:
    try:
        with pq.ParquetFile(path) as part:
            for batch in part.iter_batches(10_000, columns=[column]):
                yield batch.column(0).to_pylist()
    except pa.ArrowException as error:
        raise ConfigError(f"{path} is damaged ({error}); start over with --fresh") from error


def _lock(folder: Path) -> IO[bytes]:
    """Keep other scans out of the folder for as long as this process lives.

    Raises:
        ConfigError: Another scan is at work in it.
    """
    held = (folder / "scan.lock").open("ab")
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            held.close()
            raise ConfigError(f"another scan is writing to {folder}") from error
    return held


def _write_whole(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(content)
    _rename_flushed(temporary, path)


def _rename_flushed(temporary: Path, path: Path) -> None:
    """Give a file its name once its bytes, and then the name, are on the disk."""
    with temporary.open("rb+") as stream:
        os.fsync(stream.fileno())
    temporary.replace(path)
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(path.parent, os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

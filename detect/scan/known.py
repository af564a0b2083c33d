"""Contents that this scan has judged: a small database on disk, so that memory does not grow with the scan.

It holds rows that were accepted in order only. A process that finds a hash in it may skip the file, because the row
with the answer is certain to stand earlier in the table; which file counts as the first never depends on timing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from detect.scan.rows import COPIED, Row, copy_known


class KnownContents:
    """The hashes of accepted rows. The writer is the scan's own process, readers are the judging ones."""

    def __init__(self, path: Path, *, is_reader: bool = False) -> None:
        """Open the database; the writer's starts empty."""
        if is_reader:
            self._link = sqlite3.connect(
                f"file:{path}?mode=ro", uri=True, check_same_thread=False, isolation_level=None
            )
            return
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        self._link = sqlite3.connect(path, isolation_level=None)
        self._link.execute("PRAGMA journal_mode=WAL")
        self._link.execute("PRAGMA synchronous=OFF")  # made anew from the parts after a crash
        self._link.execute("CREATE TABLE known (sha BLOB PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID")

    def has(self, sha256: str) -> bool:
        """Return whether that content was judged and its row accepted."""
        found = self._link.execute("SELECT 1 FROM known WHERE sha=?", (bytes.fromhex(sha256),)).fetchone()
        return found is not None

    def settle(self, rows: Iterable[Row]) -> list[Row]:
        """Accept rows in order: new contents are remembered, known ones become copies of the first."""
        settled = []
        self._link.execute("BEGIN")
        for row in rows:
            sha = row["sha256"]
            if sha is None or row["error_code"] is not None:
                settled.append(row)
                continue
            first = self._find(sha)
            if first is None:
                self.remember(row)
                settled.append(row)
            else:
                settled.append(copy_known(row, first))
        self._link.execute("COMMIT")
        return settled

    def remember(self, row: Mapping[str, Any]) -> None:
        """Keep the answer of a first file."""
        answer = json.dumps({key: row[key] for key in ("name", *COPIED)})
        self._link.execute("INSERT OR IGNORE INTO known VALUES (?, ?)", (bytes.fromhex(row["sha256"]), answer))

    def close(self) -> None:
        """Close the database."""
        self._link.close()

    def _find(self, sha256: str) -> dict[str, Any] | None:
        found = self._link.execute("SELECT answer FROM known WHERE sha=?", (bytes.fromhex(sha256),)).fetchone()
        return None if found is None else json.loads(found[0])

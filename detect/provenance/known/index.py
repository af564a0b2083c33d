"""The index of known files: one SQLite file in a folder of the user's choice."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from detect.errors import ConfigError
from detect.provenance.known.pictures import MAX_DISTANCE, PictureHash, distances
from detect.provenance.known.sounds import UInt32Array, best_overlap

FILE_NAME = "known.sqlite3"
_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
  id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, label TEXT NOT NULL, name TEXT NOT NULL,
  source TEXT NOT NULL, note TEXT NOT NULL, added_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS pictures (
  file_id INTEGER NOT NULL REFERENCES files(id) ON DELETE CASCADE, bits BLOB NOT NULL, quality INTEGER NOT NULL,
  time_s REAL);
CREATE TABLE IF NOT EXISTS sounds (
  file_id INTEGER NOT NULL REFERENCES files(id) ON DELETE CASCADE, numbers BLOB NOT NULL);
"""
_CHUNK = 65_536


class KnownLabel(StrEnum):
    """What somebody found out about a file."""

    FAKE = "fake"
    ORIGINAL = "original"


@dataclass(frozen=True)
class KnownFile:
    """One entry: who says what about which bytes."""

    label: KnownLabel
    name: str
    sha256: str
    source: str = ""
    note: str = ""
    added_at: str = ""


@dataclass(frozen=True)
class KnownMatch:
    """An entry that matches.

    Attributes:
        file: The entry.
        how: `exact`, `picture` or `sound`.
        distance: 0 for exact, differing bits of 256 for pictures, the share of differing bits for sounds.
        share: The part of the query's pictures that match, in [0, 1]; 1 for everything but clips.
    """

    file: KnownFile
    how: str
    distance: float
    share: float = 1.0


class KnownIndex:
    """Opens, or makes, the index in `folder`; use it in `with`. Each thread opens its own.

    Raises:
        ConfigError: The folder holds an index of another version, or no database.
    """

    def __init__(self, folder: Path, *, create: bool = True) -> None:
        path = folder / FILE_NAME
        if not path.exists() and not create:
            raise ConfigError(f"no index of known files in {str(folder)!r}; make one with: witnessmark known add")
        folder.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, timeout=10.0)
        try:
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
            if version not in (0, _VERSION):
                raise ConfigError(f"{path} is an index of version {version}, this program reads {_VERSION}")
            self._database.execute("PRAGMA foreign_keys = ON")
            self._database.executescript(_SCHEMA + f"PRAGMA user_version = {_VERSION};")
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise ConfigError(f"{path} is not an index of known files: {error}") from error
        except ConfigError:
            self._database.close()
            raise

    def __enter__(self) -> KnownIndex:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        (count,) = self._database.execute("SELECT COUNT(*) FROM files").fetchone()
        return int(count)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def add(self, file: KnownFile, pictures: Iterable[PictureHash] = (), *, sound: UInt32Array | None = None) -> None:
        """Add an entry; one with the same SHA-256 is replaced. Pictures without enough detail are left out."""
        now = file.added_at or dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        with self._database:
            self._database.execute("DELETE FROM files WHERE sha256 = ?", (file.sha256,))
            row = (file.sha256, file.label.value, file.name, file.source, file.note, now)
            cursor = self._database.execute(
                "INSERT INTO files (sha256, label, name, source, note, added_at) VALUES (?, ?, ?, ?, ?, ?)", row
            )
            file_id = cursor.lastrowid
            self._database.executemany(
                "INSERT INTO pictures (file_id, bits, quality, time_s) VALUES (?, ?, ?, ?)",
                [(file_id, item.bits, item.quality, item.time_s) for item in pictures if item.is_usable],
            )
            if sound is not None and len(sound):
                numbers = sound.astype("<u4").tobytes()
                self._database.execute("INSERT INTO sounds (file_id, numbers) VALUES (?, ?)", (file_id, numbers))

    def match_bytes(self, sha256: str) -> KnownMatch | None:
        """Return the entry with these very bytes, or None."""
        row = self._database.execute(_SELECT + "WHERE sha256 = ?", (sha256,)).fetchone()
        return KnownMatch(_file(row), "exact", 0.0) if row else None

    def match_pictures(
        self, hashes: Sequence[PictureHash], *, max_distance: int = MAX_DISTANCE
    ) -> tuple[KnownMatch, ...]:
        """Return entries that look like the pictures, nearest first.

        Args:
            hashes: One for a picture, one a key frame for a clip; those without enough detail are left out.
            max_distance: Differing bits of 256 that still count, in [0, 128].
        """
        usable = [item for item in hashes if item.is_usable]
        nearest: dict[int, list[int]] = {}
        cursor = self._database.execute("SELECT file_id, bits FROM pictures WHERE length(bits) = 32")
        while usable and (rows := cursor.fetchmany(_CHUNK)):
            owners = np.array([row[0] for row in rows])
            stored = np.frombuffer(b"".join(row[1] for row in rows), dtype=np.uint8).reshape(-1, 32)
            for position, item in enumerate(usable):
                apart = distances(item.bits, stored)
                for place in np.flatnonzero(apart <= max_distance).tolist():
                    best = nearest.setdefault(int(owners[place]), [257] * len(usable))
                    best[position] = min(best[position], int(apart[place]))
        found = []
        for file_id, best in nearest.items():
            hits = [value for value in best if value <= max_distance]
            found.append(KnownMatch(self._by_id(file_id), "picture", float(min(hits)), len(hits) / len(usable)))
        return tuple(sorted(found, key=lambda match: (-match.share, match.distance, match.file.sha256)))

    def match_sound(self, fingerprint: UInt32Array) -> tuple[KnownMatch, ...]:
        """Return entries that sound like the recording, or like a stretch of it, nearest first."""
        found = []
        for file_id, numbers in self._database.execute("SELECT file_id, numbers FROM sounds"):
            overlap = best_overlap(fingerprint, np.frombuffer(numbers, dtype="<u4").astype(np.uint32))
            if overlap is not None:
                found.append(KnownMatch(self._by_id(file_id), "sound", overlap.bit_error))
        return tuple(sorted(found, key=lambda match: (match.distance, match.file.sha256)))

    def _by_id(self, file_id: int) -> KnownFile:
        return _file(self._database.execute(_SELECT + "WHERE id = ?", (file_id,)).fetchone())


_SELECT = "SELECT label, name, sha256, source, note, added_at FROM files "


def _file(row: tuple[str, str, str, str, str, str]) -> KnownFile:
    return KnownFile(KnownLabel(row[0]), *row[1:])

"""One labelled file, and a set of them with what could not be used."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Label(StrEnum):
    """What the file is. `edited` = an authentic base with generated parts; reported apart from `fake`."""

    REAL = "real"
    FAKE = "fake"
    EDITED = "edited"


@dataclass(frozen=True)
class Item:
    """One labelled file.

    Attributes:
        id: Unique within the data set and stable between runs.
        file: Where the bytes lie now.
        kind: The manifest's word: `image`, `audio`, `video`, `face`, `music`.
        origin: Generator of a generated file, source of a real one; the unit of resampling in all intervals.
        sha256: Of the file as listed (the original), empty when the manifest does not say.
        group: Near-duplicates and series share one; empty when unknown.
        slices: Groups of people or content (`language`, `gender`, `skin_tone`, ...) for the fairness tables.
        facts: Size, format, duration as the manifest states them for the original file.
    """

    id: str
    file: Path
    kind: str
    label: Label
    origin: str
    split: str = ""
    sha256: str = ""
    group: str = ""
    pair: str = ""
    repo: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    slices: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DataSet:
    """Items whose file is there, and those that are listed without one.

    The missing ones are counted in every report: a table over the files that happen to lie on a disk is another table.
    """

    name: str
    items: tuple[Item, ...]
    missing: tuple[Item, ...] = ()

    @classmethod
    def of(cls, name: str, listed: Iterable[Item]) -> DataSet:
        """Sort listed items into those with and without a file."""
        items: list[Item] = []
        missing: list[Item] = []
        for item in listed:
            (items if item.file.is_file() else missing).append(item)
        return cls(name, tuple(items), tuple(missing))

    @property
    def absent(self) -> dict[tuple[str, str], int]:
        """Return the number of missing files by (label, origin)."""
        return dict(Counter((str(item.label), item.origin) for item in self.missing))

    @property
    def hash(self) -> str:
        """SHA-256 over ids, labels and origins: two runs with the same hash judged the same files."""
        digest = hashlib.sha256()
        for item in sorted(self.items, key=lambda item: item.id):
            digest.update(f"{item.id}\t{item.sha256}\t{item.label}\t{item.origin}\n".encode())
        return digest.hexdigest()

    def count(self) -> dict[str, int]:
        """Return the number of items by label."""
        return dict(Counter(str(item.label) for item in self.items))


def take_balanced(items: Iterable[Item], limit: int) -> tuple[Item, ...]:
    """Return `limit` items spread evenly over labels, and within a label over origins; no randomness.

    Items are visited in the order of a hash of their id, so that a larger limit only ever adds items.
    """
    queues: dict[Label, dict[str, list[Item]]] = {}
    for item in sorted(items, key=lambda item: hashlib.sha256(item.id.encode()).digest(), reverse=True):
        queues.setdefault(item.label, {}).setdefault(item.origin, []).append(item)
    rings = [_round_robin(origins) for _, origins in sorted(queues.items())]
    taken: list[Item] = []
    while rings and len(taken) < limit:
        for ring in list(rings):
            found = next(ring, None)
            if found is None:
                rings.remove(ring)
            elif len(taken) < limit:
                taken.append(found)
    return tuple(sorted(taken, key=lambda item: item.id))


def _round_robin(origins: dict[str, list[Item]]) -> Iterator[Item]:
    """Yield one item of each origin in turn until all are spent."""
    names = sorted(origins)
    while names:
        for name in list(names):
            if origins[name]:
                yield origins[name].pop()
            else:
                names.remove(name)

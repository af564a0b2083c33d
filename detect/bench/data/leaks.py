"""What must not be shared between splits: the same file, a near-copy, a source, a group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import file_digest
from typing import Any

import numpy as np

from detect.bench.data.item import DataSet, Item
from detect.bench.data.likeness import Bits, distances, hash_file
from detect.bench.probe import medium_of

NEAR_BITS = 4
"""Of 64: re-encodings and small scalings stay within it; different pictures lie around 32."""
_BLOCK = 2048


@dataclass(frozen=True)
class LeakReport:
    """Pairs and names that tie splits, or labels, together; all empty for a clean set.

    Attributes:
        same_file: Pairs of ids with equal bytes in different splits.
        near_copy: Pairs of ids within `NEAR_BITS` in different splits.
        two_labels: Pairs of ids with equal bytes but different labels: one of them is wrong.
        shared_origins: Sources and generators that occur in several splits.
        shared_groups: Groups (near-duplicates, speakers, videos) that occur in several splits.
        unhashed: Files that could not be read for the likeness test.
    """

    same_file: list[tuple[str, str]] = field(default_factory=list)
    near_copy: list[tuple[str, str]] = field(default_factory=list)
    two_labels: list[tuple[str, str]] = field(default_factory=list)
    shared_origins: list[str] = field(default_factory=list)
    shared_groups: list[str] = field(default_factory=list)
    unhashed: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Tell whether nothing but unreadable files was found."""
        return not (self.same_file or self.near_copy or self.two_labels or self.shared_origins or self.shared_groups)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON-ready form."""
        return asdict(self)


def find_leaks(
    data: DataSet, *, perceptual: bool = True, step: Callable[[str], None] = lambda what: None
) -> LeakReport:
    """Return what ties the splits of a data set together.

    Args:
        data: Items with their splits.
        perceptual: Also compare likenesses (decodes every file).
        step: Told about each file.
    """
    digests = {item.id: _digest(item, step) for item in data.items}
    same, twice = _equal_pairs(data.items, digests)
    near, unhashed = _near_pairs(data.items, digests, step) if perceptual else ([], [])
    return LeakReport(
        same_file=same,
        near_copy=near,
        two_labels=twice,
        shared_origins=_shared(data.items, lambda item: (str(item.label), item.origin)),
        shared_groups=_shared(data.items, lambda item: item.group or None),
        unhashed=unhashed,
    )


def _digest(item: Item, step: Callable[[str], None]) -> str:
    step("reading")
    with item.file.open("rb") as handle:
        return file_digest(handle, "sha256").hexdigest()


def _equal_pairs(items: Sequence[Item], digests: dict[str, str]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return pairs of equal files in different splits, and pairs with different labels."""
    by_digest: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_digest[digests[item.id]].append(item)
    splits, labels = [], []
    for copies in by_digest.values():
        first = copies[0]
        for other in copies[1:]:
            if other.split != first.split:
                splits.append((first.id, other.id))
            if other.label != first.label:
                labels.append((first.id, other.id))
    return splits, labels


def _near_pairs(
    items: Sequence[Item], digests: dict[str, str], step: Callable[[str], None]
) -> tuple[list[tuple[str, str]], list[str]]:
    hashed: list[tuple[Item, Bits]] = []
    unhashed = []
    for item in items:
        step("likeness")
        try:
            hashed.append((item, hash_file(item.file, medium=medium_of(item.kind))))
        except Exception:  # codecs raise anything on broken files
            unhashed.append(item.id)
    pairs: list[tuple[str, str]] = []
    splits = sorted({item.split for item, _ in hashed})
    for place, split in enumerate(splits):
        own = [(item, bits) for item, bits in hashed if item.split == split]
        others = [(item, bits) for item, bits in hashed if item.split in splits[place + 1 :]]
        pairs += _close(own, others, digests)
    return pairs, unhashed


def _close(
    own: Sequence[tuple[Item, Bits]], others: Sequence[tuple[Item, Bits]], digests: dict[str, str]
) -> list[tuple[str, str]]:
    if not own or not others:
        return []
    left, right = np.stack([bits for _, bits in own]), np.stack([bits for _, bits in others])
    found = []
    for start in range(0, len(left), _BLOCK):
        for i, j in np.argwhere(distances(left[start : start + _BLOCK], right) <= NEAR_BITS):
            first, second = own[start + int(i)][0], others[int(j)][0]
            if digests[first.id] != digests[second.id]:
                found.append((first.id, second.id))
    return found


def _shared(items: Sequence[Item], key: Callable[[Item], Hashable | None]) -> list[str]:
    """Return the keys that occur in several splits, as text."""
    splits: dict[Hashable, set[str]] = defaultdict(set)
    for item in items:
        name = key(item)
        if name is not None:
            splits[name].add(item.split)
    shared = [name for name, found in splits.items() if len(found) > 1]
    return sorted(" ".join(name) if isinstance(name, tuple) else str(name) for name in shared)

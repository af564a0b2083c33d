"""The usable rows of one detector under one perturbation, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detect.bench.metrics.ranking import Bools, Floats
from detect.bench.store import Row


@dataclass(frozen=True)
class Scores:
    """Real and fake rows that hold a score; arrays of one length.

    Attributes:
        ids: Names of the items.
        is_fake: The labels.
        llr: Scores as given; natural-log likelihood ratios where the detector is calibrated.
        rank_by: Raw scores where all rows have them, else `llr`: caps on the llr would tie what a detector can order.
        p_synthetic: NaN where the detector gives no probability.
        origins: Generators and sources.
        units: What a bootstrap draws, see `resampling_units`.
    """

    ids: tuple[str, ...]
    is_fake: Bools
    llr: Floats
    rank_by: Floats
    p_synthetic: Floats
    origins: tuple[str, ...]
    units: tuple[str, ...]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Scores:
        """Gather the rows that hold a score and a binary label."""
        used = [row for row in rows if row.score is not None and row.label in ("real", "fake")]
        return cls(
            ids=tuple(row.id for row in used),
            is_fake=np.asarray([row.label == "fake" for row in used], dtype=bool),
            llr=np.asarray([row.score for row in used], dtype=float),
            rank_by=rank_values(used),
            p_synthetic=np.asarray([np.nan if row.p_synthetic is None else row.p_synthetic for row in used], float),
            origins=tuple(row.origin for row in used),
            units=resampling_units(used),
        )

    @property
    def has_both(self) -> bool:
        """Tell whether ranking metrics exist."""
        return bool(self.is_fake.any()) and not bool(self.is_fake.all())


def resampling_units(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return what a bootstrap draws for each row: its origin, or its group where a label has only one origin.

    Groups are near-duplicates or one person's files: with a single generator in the set, how the result would change
    with other people can still be shown, though not with other generators.
    """
    origins: dict[str, set[str]] = {}
    for row in rows:
        origins.setdefault(row.label, set()).add(row.origin)
    return tuple(
        row.origin if len(origins[row.label]) > 1 or not row.group else f"{row.origin}/{row.group}" for row in rows
    )


def rank_values(rows: Sequence[Row]) -> Floats:
    """Return what orders these scored rows: raw scores when all have one, else the scores."""
    has_raw = all(row.raw is not None for row in rows)
    return np.asarray([row.raw if has_raw else row.score for row in rows], dtype=float)

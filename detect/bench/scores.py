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
        origins: Generators and sources, the units of resampling.
    """

    ids: tuple[str, ...]
    is_fake: Bools
    llr: Floats
    rank_by: Floats
    p_synthetic: Floats
    origins: tuple[str, ...]

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
        )

    @property
    def has_both(self) -> bool:
        """Tell whether ranking metrics exist."""
        return bool(self.is_fake.any()) and not bool(self.is_fake.all())


def rank_values(rows: Sequence[Row]) -> Floats:
    """Return what orders these scored rows: raw scores when all have one, else the scores."""
    has_raw = all(row.raw is not None for row in rows)
    return np.asarray([row.raw if has_raw else row.score for row in rows], dtype=float)

"""The faces that train, and which of them are left out together.

People, swap programs and sources are left out as wholes. People of whom one appears in the clips of the other count as
one, and a pair of pictures of a person who is left out never trains, whatever program made it.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detect.training.face.fit import linked_groups
from detect.training.face.recipe import FaceRecipe
from detect.training.face.store import StoredFace

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class FacePair:
    """The same face before and after a swap."""

    real: StoredFace
    fake: StoredFace


@dataclass(frozen=True)
class Kept:
    """What is not left out: one flag for each entry of the lists of a corpus."""

    filmed: Bools
    others: Bools
    singles: Bools
    copied: Bools


@dataclass(frozen=True)
class Corpus:
    """Faces in a fixed order.

    Attributes:
        filmed: Pairs from clips that show the same frame before and after a swap.
        others: Pairs of pictures of other programs.
        singles: Unswapped faces.
        copied: Those of the unswapped faces of which swap-like copies are made.
        links: Names of people that are left out together.
        folds: Number of parts, each of which is left out once.
    """

    filmed: Sequence[FacePair]
    others: Sequence[FacePair]
    singles: Sequence[StoredFace]
    copied: Sequence[StoredFace]
    links: Sequence[tuple[str, str]]
    folds: int

    def keep(self, fold: int | None) -> Kept:
        """Return what trains while a fold is left out; None leaves nothing out."""
        group = linked_groups([*self.links, *((pair.real.person,) * 2 for pair in self.filmed)])
        people = [group[pair.real.person] for pair in self.filmed]
        others_people = [pair.real.person for pair in self.others]
        programs = [pair.real.origin for pair in self.others]
        left_people = _names_of(people, fold, self.folds)
        left_programs = _names_of(programs, fold, self.folds)
        unseen = left_people | {
            person for person, program in zip(others_people, programs, strict=True) if program in left_programs
        }
        sources = _names_of([face.origin for face in self.singles], fold, self.folds)
        return Kept(
            np.array([name not in left_people for name in people], bool),
            np.array(
                [
                    program not in left_programs and person not in unseen
                    for person, program in zip(others_people, programs, strict=True)
                ],
                bool,
            ),
            np.array([face.origin not in sources for face in self.singles], bool),
            np.array([face.origin not in sources for face in self.copied], bool),
        )

    def left_programs(self, fold: int) -> Bools:
        """Return which pairs of pictures are judged when a fold is left out: those of the programs left out."""
        programs = [pair.real.origin for pair in self.others]
        names = _names_of(programs, fold, self.folds)
        return np.array([name in names for name in programs], bool)


def sort_faces(stored: Iterable[StoredFace], recipe: FaceRecipe) -> Corpus:
    """Return the corpus of what was cut, as the recipe bounds it; the order depends on the names of files alone."""
    halves: dict[str, dict[str, StoredFace]] = defaultdict(dict)
    by_source: dict[str, list[StoredFace]] = defaultdict(list)
    for face in sorted(stored, key=lambda face: hashlib.sha256(face.name.encode()).hexdigest()):
        if face.pair:
            halves[face.pair][face.label] = face
        elif face.label == "real":
            by_source[face.origin].append(face)
    pairs = [FacePair(**halves[name]) for name in sorted(halves) if len(halves[name]) == 2]
    return Corpus(
        [pair for pair in pairs if pair.real.origin in recipe.data.filmed],
        [pair for pair in pairs if pair.real.origin not in recipe.data.filmed],
        [face for name in sorted(by_source) for face in by_source[name][: recipe.data.singles_per_origin]],
        [face for name in sorted(by_source) for face in by_source[name][: recipe.data.made_per_origin]],
        recipe.data.linked,
        recipe.fit.folds,
    )


def _names_of(names: Sequence[str], fold: int | None, folds: int) -> set[str]:
    """Return the names of a fold: every `folds`-th of them in their order."""
    return set() if fold is None else set(sorted(set(names))[fold::folds])

"""The contract of a perturbation.

A perturbation reads one file and writes one file. It is named, has a version that rises whenever its output could
change, and draws every random choice from a generator seeded by (name, version, seed, item id): the same item gets the
same change in every run, on every machine, whatever else is in the set. It never sees the label.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detect.errors import ConfigError
from detect.registry import Registry

Rng = np.random.Generator
Change = Callable[[Path, Path, Rng], Path]
"""(file, stem of the output without ending, random generator) -> the written file."""


@dataclass(frozen=True)
class Perturbation:
    """One named change of a file.

    Attributes:
        name: Word for tables and commands.
        version: Rises whenever the output could change.
        media: `image`, `audio`, `video`, or `any`.
        about: One sentence for the documentation and the report.
        change: Does it; None leaves the file as it is.
    """

    name: str
    version: int
    media: str
    about: str
    change: Change | None

    @property
    def id(self) -> str:
        """Return `name@version`, which predictions carry."""
        return f"{self.name}@{self.version}"

    def rng(self, item_id: str, *, seed: int = 0) -> Rng:
        """Return the generator of that item: independent of order, of other items and of the label."""
        digest = hashlib.sha256(f"{self.id}\t{seed}\t{item_id}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:16], "big"))

    def apply(self, file: Path, folder: Path, *, item_id: str, seed: int = 0) -> Path:
        """Return the changed copy of `file` inside `folder`, or `file` itself when nothing is changed."""
        if self.change is None:
            return file
        stem = folder / hashlib.sha256(f"{self.id}\t{item_id}".encode()).hexdigest()[:24]
        return self.change(file, stem, self.rng(item_id, seed=seed))


PERTURBATIONS: Registry[Perturbation] = Registry("perturbation")
PERTURBATIONS.add("none", Perturbation("none", 1, "any", "The file as it is.", None))

_FAMILIES = (
    "detect.bench.perturb.equalise",
    "detect.bench.perturb.equalise_audio",
    "detect.bench.perturb.image",
    "detect.bench.perturb.social",
    "detect.bench.perturb.audio",
    "detect.bench.perturb.video",
    "detect.bench.perturb.rerecord",
    "detect.bench.perturb.faces",
    "detect.bench.perturb.audit",
)


def _load() -> None:
    """Import the families: each registers its own perturbations."""
    import importlib

    for family in _FAMILIES:
        importlib.import_module(family)


def get_perturbation(name: str, *, media: str) -> Perturbation:
    """Return the perturbation of that name for images, audio or video.

    Names are shared between media (`clean` exists for each), so entries are kept as `media/name`.

    Raises:
        ConfigError: No such name for this medium; the message lists those that exist.
    """
    _load()
    if name in PERTURBATIONS:
        return PERTURBATIONS.get(name)
    key = f"{media}/{name}"
    if key not in PERTURBATIONS:
        known = ", ".join(list_perturbations(media))
        raise ConfigError(f"unknown {media} perturbation {name!r} (known: {known})")
    return PERTURBATIONS.get(key)


def list_perturbations(media: str) -> list[str]:
    """Return the names that exist for images, audio or video."""
    _load()
    return ["none", *(key.partition("/")[2] for key in PERTURBATIONS.list(f"{media}/*"))]


def register(
    name: str, *, media: str, version: int, about: str
) -> Callable[[Callable[[Path, Path, Rng], Path]], Callable[[Path, Path, Rng], Path]]:
    """Return a decorator that registers a change under `media/name`."""

    def decorate(change: Change) -> Change:
        PERTURBATIONS.add(f"{media}/{name}", Perturbation(name, version, media, about, change))
        return change

    return decorate

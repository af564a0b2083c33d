"""The recipe of a picture model: everything that decides its weights, read from TOML and checked before any work."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from detect.errors import ConfigError
from detect.training.image.loop import Schedule

T = TypeVar("T")


@dataclass(frozen=True)
class DataPart:
    """Which files train.

    Attributes:
        manifests: Relative to the recipe; rows as in `detect.bench.data.manifest`.
        split: Only rows of this split are read.
        holdout: Names (shell patterns) of generators and sources that never train: they calibrate.
        cap: Most files of one generator or source.
        caps: Exceptions to `cap` by name.
    """

    manifests: tuple[str, ...]
    split: str = "train"
    holdout: tuple[str, ...] = ()
    cap: int = 400
    caps: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PairPart:
    """Aligned pairs: how many real crops go through which decoders, and where a reader finds those."""

    count: int
    decoders: tuple[str, ...]
    vae_folder: str


@dataclass(frozen=True)
class BatchPart:
    """How a batch is filled; see `BatchPlan`."""

    batch: int = 32
    side: int = 128
    pair_share: float = 0.5
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelPart:
    """The network: a registered architecture with its options.

    `start` is `imagenet`, `random`, or a safetensors file of the same architecture, relative to the recipe.
    """

    architecture: str
    start: str = "imagenet"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class InputPart:
    """How pictures are looked at after training."""

    patch_side: int = 224
    max_patches: int = 16


@dataclass(frozen=True)
class CalibrationPart:
    """How held-out scores become likelihood ratios and thresholds; see `detect.training.image.calibration`."""

    files_per_origin: int = 40
    largest_source_rate: float = 0.05
    miss_rate: float = 0.05


@dataclass(frozen=True)
class ImageRecipe:
    """One reproducible run: the same recipe, data and library versions give the same weights on one CPU thread."""

    path: Path
    name: str
    version: str
    seed: int
    license: str
    data: DataPart
    pairs: PairPart
    batches: BatchPart
    model: ModelPart
    schedule: Schedule
    input: InputPart
    calibration: CalibrationPart


def read_recipe(path: Path) -> ImageRecipe:
    """Read and check a recipe.

    Raises:
        ConfigError: Unreadable, a table or key is missing or unknown, or a value has the wrong type.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"recipe {path} cannot be read: {error}") from error
    head = tables.get("recipe", {})
    missing = [key for key in ("kind", "name", "version", "seed") if key not in head]
    if missing:
        raise ConfigError(f"recipe {path}: [recipe] lacks {', '.join(missing)}")
    return ImageRecipe(
        path=path,
        name=str(head["name"]),
        version=str(head["version"]),
        seed=int(head["seed"]),
        license=str(head.get("license", "Apache-2.0")),
        data=_part(DataPart, tables, "data", path),
        pairs=_part(PairPart, tables, "pairs", path),
        batches=_part(BatchPart, tables, "batches", path),
        model=_part(ModelPart, tables, "model", path),
        schedule=_part(Schedule, tables, "schedule", path),
        input=_part(InputPart, tables, "input", path),
        calibration=_part(CalibrationPart, tables, "calibration", path),
    )


def _part(kind: type[T], tables: Mapping[str, Any], name: str, path: Path) -> T:
    """Build one table's dataclass; an unknown key is an error, since a typo would silently train something else."""
    table = dict(tables.get(name, {}))
    known = {item.name for item in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(table.keys() - known):
        raise ConfigError(f"recipe {path}: [{name}] has unknown keys {', '.join(unknown)} (known: {sorted(known)})")
    table = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    try:
        return kind(**table)
    except TypeError as error:
        raise ConfigError(f"recipe {path}: [{name}] {error}") from error

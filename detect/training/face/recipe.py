"""The recipe of a face model, read from TOML and checked before any work."""

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
class FaceData:
    """Which faces train.

    Attributes:
        clips: JSON Lines lists of clips, relative to the recipe; see `detect.training.face.clips.read_clip_list`.
        pair_frames: Moments cut from each side-by-side clip.
        single_frames: Moments cut from each other clip.
        holdout_persons: People of side-by-side clips that never train: they calibrate.
        holdout_origins: Sources and generators of single faces that never train (shell patterns).
    """

    clips: tuple[str, ...]
    pair_frames: int = 24
    single_frames: int = 4
    holdout_persons: tuple[str, ...] = ()
    holdout_origins: tuple[str, ...] = ()


@dataclass(frozen=True)
class FaceBatches:
    """How a batch is filled; see `FacePlan`."""

    batch: int = 32
    side: int = 128
    pair_share: float = 0.4
    blend_share: float = 0.35


@dataclass(frozen=True)
class FaceModel:
    """The network: a registered architecture with its options; `start` is `imagenet` or `random`."""

    architecture: str
    start: str = "imagenet"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FaceCalibration:
    """See `detect.training.image.calibration`; `faces_per_origin` bounds each person or source."""

    faces_per_origin: int = 40
    largest_source_rate: float = 0.05
    miss_rate: float = 0.05


@dataclass(frozen=True)
class FaceRecipe:
    """One reproducible run."""

    path: Path
    name: str
    version: str
    seed: int
    license: str
    data: FaceData
    batches: FaceBatches
    model: FaceModel
    schedule: Schedule
    calibration: FaceCalibration


def read_recipe(path: Path) -> FaceRecipe:
    """Read and check a recipe.

    Raises:
        ConfigError: Unreadable, or a key is missing, unknown or of the wrong type.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"recipe {path} cannot be read: {error}") from error
    head = tables.get("recipe", {})
    missing = [key for key in ("kind", "name", "version", "seed") if key not in head]
    if missing:
        raise ConfigError(f"recipe {path}: [recipe] lacks {', '.join(missing)}")
    return FaceRecipe(
        path=path,
        name=str(head["name"]),
        version=str(head["version"]),
        seed=int(head["seed"]),
        license=str(head.get("license", "Apache-2.0")),
        data=read_part(FaceData, tables, "data", path),
        batches=read_part(FaceBatches, tables, "batches", path),
        model=read_part(FaceModel, tables, "model", path),
        schedule=read_part(Schedule, tables, "schedule", path),
        calibration=read_part(FaceCalibration, tables, "calibration", path),
    )


def read_part(kind: type[T], tables: Mapping[str, Any], name: str, path: Path) -> T:
    """Build one table's dataclass; an unknown key is an error, since a typo would silently train something else.

    Raises:
        ConfigError: An unknown or missing key.
    """
    table = dict(tables.get(name, {}))
    known = {item.name for item in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(table.keys() - known):
        raise ConfigError(f"recipe {path}: [{name}] has unknown keys {', '.join(unknown)} (known: {sorted(known)})")
    table = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    try:
        return kind(**table)
    except TypeError as error:
        raise ConfigError(f"recipe {path}: [{name}] {error}") from error

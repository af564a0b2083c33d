"""The recipe of a face model, read from TOML and checked before any work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detect.training.image.loop import Schedule
from detect.training.recipes import open_recipe


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
    """The network: a registered architecture with its options; `start` is `imagenet`, `random` or a model folder."""

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
    file = open_recipe(path, kind="face")
    return FaceRecipe(
        path=path,
        name=file.name,
        version=file.version,
        seed=file.seed,
        license=file.license,
        data=file.part(FaceData, "data"),
        batches=file.part(FaceBatches, "batches"),
        model=file.part(FaceModel, "model"),
        schedule=file.part(Schedule, "schedule"),
        calibration=file.part(FaceCalibration, "calibration"),
    )

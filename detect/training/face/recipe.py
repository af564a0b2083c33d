"""The recipe of a face model, read from TOML and checked before any work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detect.training.recipes import open_recipe


@dataclass(frozen=True)
class FaceData:
    """Which faces train.

    Attributes:
        clips: JSON Lines lists of clips, relative to the recipe; see `detect.training.face.store.read_clip_list`.
        decoders: Folder of the tiny autoencoders that make swap-like faces, relative to the recipe; empty = none.
        pair_frames: Moments cut from each side-by-side clip.
        single_frames: Moments cut from each other clip.
        singles_per_origin: Most unswapped faces of one source.
        made_per_origin: Most swap-like faces made from the faces of one source.
        filmed: Origins whose pairs are clips before and after a swap; other pairs are pictures of other programs.
        linked: People of whom one appears in the clips of the other; they are left out together.
    """

    clips: tuple[str, ...]
    decoders: str = ""
    pair_frames: int = 24
    single_frames: int = 8
    singles_per_origin: int = 200
    made_per_origin: int = 50
    filmed: tuple[str, ...] = ("deepfacelive",)
    linked: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class FaceModel:
    """The network: a registered architecture with its options.

    Attributes:
        architecture: Its registered name.
        start: The model whose first stages are taken.
        member: Which of its nets, counted from 0, when it is an ensemble.
        options: Of the architecture.
    """

    architecture: str
    start: str = "image"
    member: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FaceFit:
    """What is tried by leaving people out: ridges, and weights of the made pairs; see `detect.training.face.fit`."""

    ridges: tuple[float, ...] = (0.3, 1.0)
    made_shares: tuple[float, ...] = (0.0, 0.3)
    folds: int = 10


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
    model: FaceModel
    fit: FaceFit
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
        model=file.part(FaceModel, "model"),
        fit=file.part(FaceFit, "fit"),
        calibration=file.part(FaceCalibration, "calibration"),
    )

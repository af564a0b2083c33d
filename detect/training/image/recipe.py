"""The recipe of a picture model: everything that decides its weights, read from TOML and checked before any work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detect.training.image.loop import Schedule
from detect.training.recipes import open_recipe


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
    """Aligned pairs: how many real crops go through which autoencoders.

    Attributes:
        count: Real crops, shared out among all autoencoders.
        decoders: Tiny diffusion autoencoders by name.
        vae_folder: Where a reader finds those, relative to the recipe.
        homemade: Families of `detect.training.image.homemade`, trained in the run for `homemade_steps` each.
    """

    count: int
    decoders: tuple[str, ...]
    vae_folder: str
    homemade: tuple[str, ...] = ()
    homemade_steps: int = 500


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

    Attributes:
        architecture: A name that `detect.networks.image.patch_net.create` knows.
        start: `imagenet`, `random`, or a safetensors file of the same architecture, relative to the recipe.
        options: Of the architecture.
        companions: Safetensors files of earlier `patch_net` runs of the same options, relative to the recipe. Their
            logits are averaged with the trained network's, and all of them are shipped as one `patch_ensemble`.
    """

    architecture: str
    start: str = "imagenet"
    options: Mapping[str, Any] = field(default_factory=dict)
    companions: tuple[str, ...] = ()


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
        ConfigError: Unreadable, or a key is missing, unknown or of the wrong type.
    """
    file = open_recipe(path, kind="image")
    return ImageRecipe(
        path=path,
        name=file.name,
        version=file.version,
        seed=file.seed,
        license=file.license,
        data=file.part(DataPart, "data"),
        pairs=file.part(PairPart, "pairs"),
        batches=file.part(BatchPart, "batches"),
        model=file.part(ModelPart, "model"),
        schedule=file.part(Schedule, "schedule"),
        input=file.part(InputPart, "input"),
        calibration=file.part(CalibrationPart, "calibration"),
    )

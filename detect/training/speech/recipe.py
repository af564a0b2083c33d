"""What `models/speech/recipe.toml` says: data, seeds, augmentation, nets and budgets, as frozen dataclasses."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from detect.training.recipes import open_recipe


@dataclass(frozen=True)
class DataPlan:
    """Which files are learnt from.

    Attributes:
        manifests: JSONL manifests; a row needs `kind`, `label`, `split`, `repo`, and `file` or `pack`; relative paths
            are taken from the recipe's folder.
        roots: Folders that `file` and `pack` are looked up in.
        folds: Number of folds; a repository lies in exactly one.
        max_clips_a_system: Generated clips kept of one (repository, system); more would only repeat one voice.
        max_clips_a_source: Real clips kept of one (repository, source).
        voices: Sentences spoken with every voice that this machine has; 0 = make none.
        left_out: Systems, as `repository:source`, that are decoded and cut like the rest but neither learnt from nor
            calibrated on, because their label turned out to be wrong or in doubt.
    """

    manifests: tuple[str, ...]
    roots: tuple[str, ...]
    folds: int = 3
    max_clips_a_system: int = 60
    max_clips_a_source: int = 200
    voices: int = 60
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class CropPlan:
    """How many augmented crops are made of each label, of how many seconds, and how many aligned copies beside them."""

    seconds: float = 4.0
    crops: int = 6_500
    copies: int = 700
    seed: int = 20_261


@dataclass(frozen=True)
class HeadPlan:
    """The listener's depth, and the training of each head; `smoothing` takes that share from every label."""

    layers: int = 2
    hidden: int = 128
    batch: int = 128
    epochs: int = 10
    learning_rate: float = 1e-3
    weight_decay: float = 0.3
    smoothing: float = 0.05
    seed: int = 7


@dataclass(frozen=True)
class SpectralPlan:
    """Training of each spectrogram net: steps of `batch` crops; `smoothing` takes that share from every label."""

    steps: int = 900
    batch: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    smoothing: float = 0.05
    seed: int = 11


@dataclass(frozen=True)
class StretchPlan:
    """Training of the heads for windows of 2 s, on so many clips of each real source and of each generator."""

    clips_a_source: int = 24
    clips_a_system: int = 8
    hidden: int = 128
    batch: int = 256
    epochs: int = 6
    learning_rate: float = 1e-3
    weight_decay: float = 0.3
    smoothing: float = 0.05
    seed: int = 17


@dataclass(frozen=True)
class CalibrationPlan:
    """How many held-out recordings of each real source and of each generator the calibration is fitted on."""

    clips_a_source: int = 15
    clips_a_system: int = 2
    seed: int = 3


@dataclass(frozen=True)
class Recipe:
    """One recipe, as read from TOML."""

    name: str
    version: str
    data: DataPlan
    crops: CropPlan = field(default_factory=CropPlan)
    head: HeadPlan = field(default_factory=HeadPlan)
    spectral: SpectralPlan = field(default_factory=SpectralPlan)
    stretch: StretchPlan = field(default_factory=StretchPlan)
    calibration: CalibrationPlan = field(default_factory=CalibrationPlan)
    folder: Path = Path()

    def resolve(self, text: str) -> Path:
        """Return a path of the recipe, relative to the recipe's folder."""
        return (self.folder / text).resolve()


def read_recipe(path: Path) -> Recipe:
    """Read a speech recipe.

    Raises:
        ConfigError: Not TOML, not of kind `speech`, or a key that is not known.
    """
    file = open_recipe(path, kind="speech")
    return Recipe(
        name=file.name,
        version=file.version,
        data=file.part(DataPlan, "data"),
        crops=file.part(CropPlan, "crops"),
        head=file.part(HeadPlan, "head"),
        spectral=file.part(SpectralPlan, "spectral"),
        stretch=file.part(StretchPlan, "stretch"),
        calibration=file.part(CalibrationPlan, "calibration"),
        folder=path.resolve().parent,
    )


def hash_rows(keys: list[str]) -> str:
    """Return the SHA-256 over sorted keys: the identity of a set of training files."""
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()

"""The recipe of a frame model, read from TOML and checked before any work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from detect.training.recipes import open_recipe


@dataclass(frozen=True)
class VideoData:
    """Which clips train and which calibrate.

    Attributes:
        manifests: Relative to the recipe.
        holdout: Generators and sources (shell patterns) that never train: they calibrate.
        halved: Sources whose groups are dealt by hash: half train, half calibrate.
        cap: Most clips of one generator or source.
        frames: Frames cut from each training clip.
        formats_left_out: Suffixes that neither train nor calibrate.
    """

    manifests: tuple[str, ...]
    holdout: tuple[str, ...] = ()
    halved: tuple[str, ...] = ()
    cap: int = 24
    frames: int = 3
    formats_left_out: tuple[str, ...] = (".gif",)


@dataclass(frozen=True)
class VideoBatches:
    """How a batch is filled; see `FramePlan`. Pictures and pairs are those of the picture model's own training."""

    batch: int = 24
    side: int = 128
    pair_share: float = 0.33
    picture_share: float = 0.25


@dataclass(frozen=True)
class VideoModel:
    """The network: `start` names a patch net whose stages it takes over, `member` which one of an ensemble's nets."""

    start: str = "image"
    member: int = 0


@dataclass(frozen=True)
class HeadPart:
    """How many crops the head is fitted on, and the ridges tried, in units of the mean diagonal of the scatter."""

    crops: int = 8000
    ridges: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0)


@dataclass(frozen=True)
class VideoInput:
    """How frames are looked at after training."""

    patch_side: int = 224
    max_patches: int = 4


@dataclass(frozen=True)
class VideoCalibration:
    """How held-out clips become likelihood ratios and thresholds; see `detect.training.video.calibrate`."""

    clips_per_origin: int = 30
    frames_per_clip: int = 12
    largest_source_rate: float = 0.05
    miss_rate: float = 0.05


@dataclass(frozen=True)
class VideoRecipe:
    """One reproducible run."""

    path: Path
    name: str
    version: str
    seed: int
    license: str
    data: VideoData
    batches: VideoBatches
    model: VideoModel
    head: HeadPart
    input: VideoInput
    calibration: VideoCalibration


def read_recipe(path: Path) -> VideoRecipe:
    """Read and check a recipe.

    Raises:
        ConfigError: Unreadable, or a key is missing, unknown or of the wrong type.
    """
    file = open_recipe(path, kind="video")
    return VideoRecipe(
        path=path,
        name=file.name,
        version=file.version,
        seed=file.seed,
        license=file.license,
        data=file.part(VideoData, "data"),
        batches=file.part(VideoBatches, "batches"),
        model=file.part(VideoModel, "model"),
        head=file.part(HeadPart, "head"),
        input=file.part(VideoInput, "input"),
        calibration=file.part(VideoCalibration, "calibration"),
    )

"""The recipe of a frame model, read from TOML and checked before any work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from detect.training.recipes import open_recipe


@dataclass(frozen=True)
class VideoData:
    """Which clips train.

    Attributes:
        manifests: Relative to the recipe.
        cap: Most clips of one generator.
        frames: Frames cut from each training clip.
        formats_left_out: Suffixes that are left out.
    """

    manifests: tuple[str, ...]
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
    """What the head is fitted on and how; see `detect.training.video.head`.

    Attributes:
        crops: Crops drawn.
        clips_per_origin: Most clips of one generator or source that are delivered: their frames join the crops.
        frames_per_clip: Frames kept of each delivery.
        ridge: In units of the scatter's mean diagonal.
        within: Weight of the scatter inside makers beside that between them.
        folds: Parts that makers are dealt to for the scores that calibrate.
    """

    crops: int = 8000
    clips_per_origin: int = 8
    frames_per_clip: int = 12
    ridge: float = 0.1
    within: float = 3.0
    folds: int = 6


@dataclass(frozen=True)
class VideoInput:
    """How frames are looked at after training."""

    patch_side: int = 224
    max_patches: int = 4


@dataclass(frozen=True)
class VideoCalibration:
    """How scores of left-out clips become likelihood ratios and thresholds; see `detect.training.video.calibrate`."""

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

"""The evidence `image.pixels`: do the pixels of a still picture carry a generator's trace, and where?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from detect.evidence.patches import Patch, pick_patches
from detect.fusion import Calibration, reason, sigmoid
from detect.networks.batches import Schedule, run_here
from detect.networks.image.patch_scorer import PatchScorer
from detect.networks.zoo import find_model
from detect.types import (
    DecodedImage,
    Evidence,
    HeatMap,
    Interval,
    ModelRef,
    Reason,
    Region,
    Status,
    UInt8Array,
    Where,
)

SOURCE = "image.pixels"
MIN_PICTURE_SIDE = 64
"""Pictures with a shorter side are not judged; training saw none smaller than 128 pixels."""
MIN_DEVIATION = 1.5
"""Grey levels; below this deviation a picture is flat, and what is left is rounding."""
LOCAL_LOGIT_SPREAD = 2.0
"""Natural-log units between the strongest patch and the median at which the trace counts as local."""

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PatchResult:
    """What the network said of one picture: patches with their maps of logits, and the pooled logit."""

    patches: tuple[Patch, ...]
    maps: tuple[Float64Array, ...]
    logit: float
    standard_error: float


class ImageExaminer:
    """Holds the picture model; turns decoded pictures into Evidence. Safe to call from several threads."""

    def __init__(
        self,
        scorer: PatchScorer,
        calibration: Calibration,
        *,
        model: ModelRef,
        patch_side: int,
        max_patches: int,
    ) -> None:
        self.scorer = scorer
        self.calibration = calibration
        self.model = model
        self.patch_side = patch_side
        self.max_patches = max_patches

    @classmethod
    def load(
        cls,
        name: str | Path = "image",
        *,
        device: str = "auto",
        models_dir: Path | None = None,
        schedule: Schedule = run_here,
    ) -> ImageExaminer:
        """Load the shipped picture model, or one by name or folder; `schedule` brings patches to the network.

        Raises:
            UnknownModelError: No such model.
            WeightsMismatchError: Its weights are not those that its config names.
        """
        folder = find_model(name, folder=models_dir)
        spec = folder.config["input"]
        return cls(
            PatchScorer.from_folder(folder, device=device, schedule=schedule),
            Calibration.from_config(folder.config["calibration"]),
            model=folder.ref,
            patch_side=int(spec["patch_side"]),
            max_patches=int(spec["max_patches"]),
        )

    def examine(self, image: DecodedImage, *, locate: bool = True) -> Evidence:
        """Return `image.pixels` Evidence; `not_applicable` with its reason when there is nothing to judge."""
        return self.examine_many([image], locate=locate)[0]

    def examine_many(self, images: Sequence[DecodedImage], *, locate: bool = True) -> list[Evidence]:
        """Return one Evidence a picture; the patches of all of them share batches."""
        answers: list[Evidence | None] = [_refusal(image.pixels_rgb) for image in images]
        open_indices = [index for index, answer in enumerate(answers) if answer is None]
        results = self.score([images[index].pixels_rgb for index in open_indices])
        for index, result in zip(open_indices, results, strict=True):
            answers[index] = self._evidence(images[index], result, locate=locate)
        return [answer for answer in answers if answer is not None]

    def score(self, pictures: Sequence[UInt8Array], *, max_patches: int | None = None) -> list[PatchResult]:
        """Score pictures, (H, W, 3) uint8 each, without making Evidence of them."""
        per_picture = [
            pick_patches(pixels, side=self.patch_side, max_patches=max_patches or self.max_patches)
            for pixels in pictures
        ]
        maps = iter(self.scorer.score([patch.pixels for patches in per_picture for patch in patches]))
        results = []
        for patches in per_picture:
            own = [next(maps) for _ in patches]
            logits = np.array([cells.mean() for cells in own])
            pooled = len(logits) - len(logits) // 2  # patches that `pool` averages
            error = float(logits.std(ddof=1) / np.sqrt(pooled)) if len(logits) > 1 else float("nan")
            results.append(PatchResult(tuple(patches), tuple(own), pool(own), error))
        return results

    def llr(self, logit: float) -> float:
        """Return the calibrated log-likelihood ratio of a pooled logit."""
        return self.calibration.llr(logit)

    def _evidence(self, image: DecodedImage, result: PatchResult, *, locate: bool) -> Evidence:
        llr = self.calibration.llr(result.logit)
        # One patch alone says nothing of its own spread: then the spread between patches of other pictures stands in.
        half = 1.96 * self.calibration.slope * (1.0 if np.isnan(result.standard_error) else result.standard_error)
        reasons = [_lean(llr)]
        logits = np.array([cells.mean() for cells in result.maps])
        is_local = len(logits) >= 4 and float(logits.max() - np.median(logits)) * self.calibration.slope > (
            LOCAL_LOGIT_SPREAD
        )
        if is_local:
            reasons.append(reason("traces_local"))
        regions = tuple(
            Region(
                patch.x,
                patch.y,
                min(self.patch_side, image.pixels_rgb.shape[1] - patch.x),
                min(self.patch_side, image.pixels_rgb.shape[0] - patch.y),
                self._p_synthetic(float(cells.mean())),
                "patch",
            )
            for patch, cells in zip(result.patches, result.maps, strict=True)
        )
        heat_map = self._heat_map(image.pixels_rgb, result) if locate else None
        return Evidence(
            SOURCE,
            Status.SCORED,
            llr=llr,
            interval=Interval(llr - half, llr + half),
            reasons=tuple(reasons),
            where=Where(regions=regions, heat_map=heat_map),
            model=self.model,
            details={
                "logit": result.logit,
                "patches": len(result.patches),
                "patch_side": self.patch_side,
                "covered_share": _covered_share(image.pixels_rgb, result.patches, self.patch_side),
            },
        )

    def _p_synthetic(self, logit: float) -> float:
        return sigmoid(self.calibration.llr(logit))

    def _heat_map(self, pixels: UInt8Array, result: PatchResult) -> HeatMap:
        """Average the patches' cells on one grid over the picture; cells that no patch saw take their nearest."""
        height, width = pixels.shape[:2]
        cell = self.patch_side // max(1, result.maps[0].shape[1]) if len(result.maps) > 1 else 32
        rows, columns = max(1, min(64, round(height / cell))), max(1, min(64, round(width / cell)))
        total = np.zeros((rows, columns))
        weight = np.zeros((rows, columns))
        for patch, cells in zip(result.patches, result.maps, strict=True):
            patch_h, patch_w = patch.pixels.shape[:2]
            cell_h, cell_w = patch_h / cells.shape[0], patch_w / cells.shape[1]
            for r in range(cells.shape[0]):
                for c in range(cells.shape[1]):
                    top, left = patch.y + r * cell_h, patch.x + c * cell_w
                    rr = slice(_index(top, height, rows), _index(top + cell_h - 1, height, rows) + 1)
                    cc = slice(_index(left, width, columns), _index(left + cell_w - 1, width, columns) + 1)
                    total[rr, cc] += cells[r, c]
                    weight[rr, cc] += 1
        filled = _fill_nearest(total, weight)
        grid = tuple(tuple(self._p_synthetic(float(value)) for value in row) for row in filled)
        return HeatMap(width, height, grid)


def pool(maps: Sequence[Float64Array]) -> float:
    """Return one logit for a picture from the maps of its patches: the mean of the upper half of all cells.

    Sky, blur and flat areas hold no trace, so the lower half mostly says how much of them a picture has. On held-out
    training sources this gave about 0.01 AUC more than the mean of all, clean and laundered; median, maximum and a
    squashed mean gave less, or gained on one and lost on the other.
    """
    cells = np.sort(np.concatenate([cells.ravel() for cells in maps]))
    return float(cells[len(cells) // 2 :].mean())


def _lean(llr: float) -> Reason:
    if llr >= 0.7:  # a factor of two
        return reason("pixels_generated_traces")
    if llr <= -0.7:
        return reason("pixels_camera_like")
    return reason("pixels_undecided")


def _refusal(pixels: UInt8Array) -> Evidence | None:
    """Return the Evidence of a picture that cannot be judged, or None when it can."""
    if min(pixels.shape[:2]) < MIN_PICTURE_SIDE:
        return Evidence(SOURCE, Status.NOT_APPLICABLE, reasons=(reason("picture_too_small"),))
    if float(pixels[::2, ::2].std()) < MIN_DEVIATION:
        return Evidence(SOURCE, Status.NOT_APPLICABLE, reasons=(reason("picture_without_texture"),))
    return None


def _covered_share(pixels: UInt8Array, patches: Sequence[Patch], side: int) -> float:
    """Return the share of the picture's pixels that some patch saw, in [0, 1]."""
    height, width = pixels.shape[:2]
    seen = np.zeros((-(-height // 8), -(-width // 8)), dtype=bool)
    for patch in patches:
        seen[patch.y // 8 : (patch.y + side) // 8 + 1, patch.x // 8 : (patch.x + side) // 8 + 1] = True
    return round(float(seen.mean()), 3)


def _index(position: float, extent: int, count: int) -> int:
    return min(count - 1, max(0, int(position * count / extent)))


def _fill_nearest(total: Float64Array, weight: Float64Array) -> Float64Array:
    """Return the mean per cell, with unseen cells copied from the nearest seen one."""
    mean = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    seen = np.argwhere(weight > 0)
    for r, c in np.argwhere(weight == 0):
        nearest = seen[np.argmin(((seen - (r, c)) ** 2).sum(axis=1))]
        mean[r, c] = mean[nearest[0], nearest[1]]
    return mean

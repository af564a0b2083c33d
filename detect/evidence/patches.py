"""Choose native-resolution patches of a picture: evenly spread, the same for the same picture, covering all of it.

Why native: a generator's trace lives at the pixel period, and shrinking a 12-megapixel picture to 224 pixels erases it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detect.types import UInt8Array

MIN_SIDE = 64
"""Patches are never smaller than this: below it the network's last map has a single cell (pixels)."""


@dataclass(frozen=True)
class Patch:
    """One patch and where it lies in the upright picture, in pixels."""

    x: int
    y: int
    pixels: UInt8Array


def pick_patches(pixels_rgb: UInt8Array, *, side: int, max_patches: int) -> list[Patch]:
    """Return up to `max_patches` patches of `side` pixels on an even grid over the picture.

    A picture smaller than `side` gives one patch of its own size, mirrored up to `MIN_SIDE` when it is smaller still.

    Args:
        pixels_rgb: (H, W, 3) uint8.
        side: Side of a patch in pixels.
        max_patches: At least 1.

    Returns:
        Patches in row-major order; their pixels are views of the picture where possible.
    """
    height, width = pixels_rgb.shape[:2]
    columns, rows = _grid(width, height, side, max_patches)
    patches = []
    for row in range(rows):
        for column in range(columns):
            x = _spread(column, columns, max(0, width - side))
            y = _spread(row, rows, max(0, height - side))
            patches.append(Patch(x, y, _at_least(pixels_rgb[y : y + side, x : x + side])))
    return patches


def _grid(width: int, height: int, side: int, max_patches: int) -> tuple[int, int]:
    """Return (columns, rows) <= max_patches cells that fit the picture without needless overlap."""
    fit_columns, fit_rows = max(1, -(-width // side)), max(1, -(-height // side))
    if fit_columns * fit_rows <= max_patches:
        return fit_columns, fit_rows
    best = (1, 1)
    for columns in range(1, min(fit_columns, max_patches) + 1):
        rows = min(fit_rows, max_patches // columns)
        # Prefer more patches, then cells as square as the picture allows.
        cell_ratio = abs(np.log((width / columns) / (height / rows)))
        best_ratio = abs(np.log((width / best[0]) / (height / best[1])))
        if (columns * rows, -cell_ratio) > (best[0] * best[1], -best_ratio):
            best = (columns, rows)
    return best


def _spread(index: int, count: int, room: int) -> int:
    """Return the start of cell `index` of `count`: centred when there is one, edge to edge else."""
    return room // 2 if count == 1 else round(index * room / (count - 1))


def _at_least(pixels: UInt8Array) -> UInt8Array:
    """Mirror a patch until both sides reach `MIN_SIDE`."""
    grow_y, grow_x = max(0, MIN_SIDE - pixels.shape[0]), max(0, MIN_SIDE - pixels.shape[1])
    if not (grow_y or grow_x):
        return pixels
    return np.pad(pixels, ((0, grow_y), (0, grow_x), (0, 0)), mode="symmetric")

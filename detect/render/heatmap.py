"""Heat maps as pictures: colour, and beside it hatching and a contour, since colour alone reaches not everyone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from detect.errors import ConfigError
from detect.types import Float32Array, HeatMap, UInt8Array

BoolArray = npt.NDArray[np.bool_]
Picture = TypeVar("Picture", UInt8Array, Image.Image)

# Five anchors of the "inferno" map (Smith and van der Walt, matplotlib, CC0): its lightness rises evenly, so order
# survives greyscale printing and the common kinds of colour blindness.
_ANCHORS_RGB = np.array([(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)], dtype=np.float32)
_LEGEND_HEIGHT_PX = 44


@dataclass(frozen=True)
class HeatMapAnnotator:
    """Draws a heat map over a picture; the constructor holds the look, `annotate` acts.

    Attributes:
        opacity: Of the highest score, in (0, 1]; lower scores are fainter, in proportion.
        threshold: Score in [0, 1] at and above which cells are hatched and enclosed by the contour.
        is_hatched: Hatch what reaches the threshold.
        is_contoured: Enclose what reaches the threshold with a light line beside a dark one.
        has_legend: Add a strip with the legend below the picture, which makes the result taller.

    Example:
        >>> annotator = HeatMapAnnotator(opacity=0.6)
        >>> grey = np.full((64, 96, 3), 128, dtype=np.uint8)
        >>> annotator.annotate(grey, HeatMap(width=96, height=64, grid=((0.1, 0.9),))).shape
        (64, 96, 3)
    """

    opacity: float = 0.65
    threshold: float = 0.5
    is_hatched: bool = True
    is_contoured: bool = True
    has_legend: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.opacity <= 1.0:
            raise ConfigError(f"opacity must be in (0, 1], not {self.opacity}")
        if not 0.0 <= self.threshold <= 1.0:
            raise ConfigError(f"threshold must be in [0, 1], not {self.threshold}")

    def annotate(self, pixels_rgb: Picture, heat_map: HeatMap) -> Picture:
        """Return a copy of the picture with the heat map over it, of the same type as given.

        Args:
            pixels_rgb: (H, W, 3) uint8, or a Pillow image; any size, the map is stretched to it.
            heat_map: The scores.

        Raises:
            ConfigError: The array has another shape or type, or the grid of the map is empty or ragged.
        """
        if isinstance(pixels_rgb, Image.Image):
            return Image.fromarray(self._annotate_array(np.asarray(pixels_rgb.convert("RGB")), heat_map))
        if pixels_rgb.ndim != 3 or pixels_rgb.shape[2] != 3 or pixels_rgb.dtype != np.uint8:
            raise ConfigError(f"expected (H, W, 3) uint8, got {pixels_rgb.shape} {pixels_rgb.dtype}")
        return self._annotate_array(pixels_rgb, heat_map)

    def _annotate_array(self, pixels_rgb: UInt8Array, heat_map: HeatMap) -> UInt8Array:
        height, width = pixels_rgb.shape[:2]
        over = self.overlay(heat_map, width=width, height=height)
        alpha = over[..., 3:].astype(np.float32) / 255.0  # (H, W, 1)
        mixed = pixels_rgb * (1.0 - alpha) + over[..., :3] * alpha
        picture = np.rint(mixed).astype(np.uint8)
        return np.concatenate([picture, self.legend(width)]) if self.has_legend else picture

    def overlay(self, heat_map: HeatMap, *, width: int, height: int) -> UInt8Array:
        """Return the map alone as (height, width, 4) uint8 RGBA, to be laid over a picture of that size."""
        scores = stretch(heat_map, width=width, height=height)
        over = np.empty((height, width, 4), dtype=np.uint8)
        over[..., :3] = palette(scores)
        over[..., 3] = np.rint(scores * (self.opacity * 255.0)).astype(np.uint8)
        is_high = scores >= self.threshold
        if self.is_hatched:
            _hatch(over, is_high)
        if self.is_contoured:
            _draw_contour(over, is_high)
        return over

    def legend(self, width: int) -> UInt8Array:
        """Return the legend as a white strip, (44, width, 3) uint8: colours from 0 to 1, hatched from the threshold."""
        strip = Image.new("RGB", (width, _LEGEND_HEIGHT_PX), "white")
        bar_width = max(min(width - 16, 240), 1)
        ramp = HeatMap(width=bar_width, height=12, grid=(tuple(np.linspace(0.0, 1.0, bar_width).tolist()),))
        bar = np.full((12, bar_width, 3), 255, dtype=np.uint8)
        plain = HeatMapAnnotator(1.0, self.threshold, self.is_hatched, is_contoured=False)
        strip.paste(Image.fromarray(plain.annotate(bar, ramp)), (8, 8))
        draw = ImageDraw.Draw(strip)
        draw.rectangle((7, 7, 8 + bar_width, 20), outline=(90, 90, 90))
        text = f"0   machine-made?   1   (hatched: {self.threshold:g} or more)"
        draw.text((8, 25), text, fill=(20, 20, 20), font=ImageFont.load_default(size=12))
        return np.asarray(strip)


def stretch(heat_map: HeatMap, *, width: int, height: int) -> Float32Array:
    """Return the scores for every pixel, (height, width) float32 in [0, 1], interpolated between cell centres.

    Raises:
        ConfigError: The grid is empty or its rows differ in length.
    """
    if not heat_map.grid or len({len(row) for row in heat_map.grid}) != 1 or not heat_map.grid[0]:
        raise ConfigError("a heat map needs at least one cell and rows of equal length")
    grid = np.asarray(heat_map.grid, dtype=np.float32)  # (rows, columns)
    stretched = Image.fromarray(grid).resize((width, height), Image.Resampling.BILINEAR)
    return cast(Float32Array, np.clip(np.asarray(stretched), 0.0, 1.0))


def palette(scores: Float32Array) -> UInt8Array:
    """Return the colours of scores in [0, 1]: shape (...,) float to (..., 3) uint8 RGB."""
    positions = np.linspace(0.0, 1.0, len(_ANCHORS_RGB))
    channels = [np.interp(scores, positions, _ANCHORS_RGB[:, channel]) for channel in range(3)]
    return cast(UInt8Array, np.rint(np.stack(channels, axis=-1)).astype(np.uint8))


def _hatch(over: UInt8Array, is_high: BoolArray) -> None:
    """Draw diagonal light lines with a dark edge, in place, where the score is high."""
    height, width = is_high.shape
    spacing = max(8, max(width, height) // 64)
    stroke = max(1, spacing // 8)
    phase = (np.arange(height)[:, None] + np.arange(width)[None, :]) % spacing
    over[is_high & (phase < stroke)] = (255, 255, 255, 200)
    over[is_high & (phase >= stroke) & (phase < 2 * stroke)] = (0, 0, 0, 140)


def _draw_contour(over: UInt8Array, is_high: BoolArray) -> None:
    """Draw a light line inside and a dark line outside the border of the high area, in place."""
    stroke = max(1, max(is_high.shape) // 400)
    inside, outside = is_high, is_high
    for _ in range(stroke):
        inside, outside = ~_grown(~inside), _grown(outside)
    over[is_high & ~inside] = (255, 255, 255, 255)
    over[outside & ~is_high] = (0, 0, 0, 255)


def _grown(mask: BoolArray) -> BoolArray:
    """Return the mask grown by one pixel to its four sides; the outside of the picture counts as empty."""
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    grown[:, 1:] |= mask[:, :-1]
    grown[:, :-1] |= mask[:, 1:]
    return grown

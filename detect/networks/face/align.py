"""Bring a face to a fixed size: eyes level, box centred, the outline and some of its surroundings in view.

Why surroundings: a swapped face is pasted into a real head, and the seam lies at its outline (Face X-ray, arXiv
1912.13458; self-blended images, arXiv 2204.08376), so a crop of the inner face alone would hide the best evidence.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from detect.networks.face.detector import Face, Float64Array
from detect.types import UInt8Array

MARGIN = 1.3
"""Side of the crop in units of the larger side of the face's box."""

LARGEST_FACE = 224.0
"""Faces are judged at their own resolution up to this side of their box (pixels) and shrunk to it when larger: what a
swap leaves is fine, and both enlarging and needless shrinking would hide it."""

MAX_ROLL = math.radians(60)
"""Heads tilted further than this are not levelled: then the two eyes are mostly one, seen from the side."""


def roll_of(landmarks: Float64Array) -> float:
    """Return the angle of the line between the eyes in radians; 0 when it is not to be trusted."""
    across, down = landmarks[1] - landmarks[0]
    angle = math.atan2(down, across)
    return angle if abs(angle) <= MAX_ROLL else 0.0


def align(
    pixels_rgb: UInt8Array,
    face: Face,
    *,
    side: int,
    margin: float = MARGIN,
) -> UInt8Array:
    """Return the face as (side, side, 3) uint8; what lies outside the picture is repeated from its edge.

    Args:
        pixels_rgb: (H, W, 3) uint8.
        face: Box and points in pixels of that picture.
        side: Side of the result in pixels.
        margin: See `MARGIN`.
    """
    x, y, width, height = face.box
    reach = margin * face.side
    centre_x, centre_y = x + width / 2, y + height / 2
    half = reach * 0.75  # the turned square lies inside a square of this half side
    patch, left, top = _cut(pixels_rgb, centre_x, centre_y, half)
    picture = Image.fromarray(patch)
    shrink = reach / side
    if shrink > 1.5:  # area averaging first: a single cubic look-up would alias
        factor = shrink / 1.2
        small = (max(1, round(picture.width / factor)), max(1, round(picture.height / factor)))
        scale_x, scale_y = small[0] / picture.width, small[1] / picture.height
        picture = picture.resize(small, Image.Resampling.BOX)
    else:
        scale_x = scale_y = 1.0
    angle = roll_of(face.landmarks)
    step = reach / side
    cos, sin = math.cos(angle) * step, math.sin(angle) * step
    middle = side / 2
    origin_x, origin_y = centre_x - left, centre_y - top
    data = (
        cos * scale_x, -sin * scale_x, (origin_x - cos * middle + sin * middle) * scale_x,
        sin * scale_y, cos * scale_y, (origin_y - sin * middle - cos * middle) * scale_y,
    )  # fmt: skip
    turned = picture.transform((side, side), Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)
    return np.asarray(turned)


def cut_square(pixels_rgb: UInt8Array, face: Face, *, margin: float) -> UInt8Array:
    """Return a square of `margin` times the face's side around it, (S, S, 3) uint8, neither turned nor enlarged.

    What lies outside the picture is repeated from its edge; a face above `LARGEST_FACE` is shrunk to that size.
    """
    x, y, width, height = face.box
    patch, _, _ = _cut(pixels_rgb, x + width / 2, y + height / 2, margin * face.side / 2)
    if face.side <= LARGEST_FACE:
        return np.ascontiguousarray(patch)
    side = max(2, round(margin * LARGEST_FACE / 2) * 2)
    return np.asarray(Image.fromarray(patch).resize((side, side), Image.Resampling.LANCZOS))


def _cut(pixels: UInt8Array, centre_x: float, centre_y: float, half: float) -> tuple[UInt8Array, float, float]:
    """Return a square around a point, its edge repeated where it leaves the picture, and its left and top."""
    height, width = pixels.shape[:2]
    reach = max(2, math.ceil(half))
    left, top = math.floor(centre_x) - reach, math.floor(centre_y) - reach
    columns = np.clip(np.arange(left, left + 2 * reach), 0, width - 1)
    rows = np.clip(np.arange(top, top + 2 * reach), 0, height - 1)
    return pixels[rows[:, None], columns[None, :]], float(left), float(top)


def sharpness(crop: UInt8Array) -> float:
    """Return the deviation of a crop's Laplacian in grey levels over its middle: low when the face is blurred."""
    grey = crop.astype(np.float32).mean(axis=2)
    edge = len(grey) // 5
    grey = grey[edge:-edge, edge:-edge]
    laplacian = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    return float(laplacian.std())

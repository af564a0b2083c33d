"""Self-blended faces: a real face pasted onto itself with small changes, so that only the paste can be learnt.

After "Detecting Deepfakes with Self-Blended Images" (arXiv 2204.08376): source and target are the same picture, the
source is recoloured, blurred or sharpened, slightly moved, and blended in through a soft random mask of the face.
"""

from __future__ import annotations

import random

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from detect.networks.face.detector import Face
from detect.types import Float32Array, UInt8Array


def blend_with_itself(pixels: UInt8Array, face: Face, rng: random.Random) -> UInt8Array:
    """Return a copy of a crop (H, W, 3) whose face was pasted from a changed copy of itself."""
    mask = face_mask(pixels.shape[:2], face, rng)[:, :, None]
    source = move(_recolour(Image.fromarray(pixels), rng), rng, face.side)
    mixed = np.asarray(source, np.float32) * mask + pixels * (1.0 - mask)
    return mixed.round().clip(0, 255).astype(np.uint8)


def face_mask(shape: tuple[int, int], face: Face, rng: random.Random) -> Float32Array:
    """Return a soft mask in [0, 1] of shape (H, W): an ellipse or the hull of the points, bent, blurred, scaled."""
    height, width = shape
    x, y, box_w, box_h = face.box
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    bend_x, bend_y = (_waves(shape, rng) * face.side * 0.06 for _ in range(2))
    if rng.random() < 0.7:
        centre_x, centre_y = x + box_w / 2, y + box_h * rng.uniform(0.48, 0.6)
        radius_x, radius_y = box_w * rng.uniform(0.34, 0.52), box_h * rng.uniform(0.32, 0.5)
    else:  # eyes to mouth, as masks from few points are drawn
        centre_x, centre_y = (float(value) for value in face.landmarks.mean(axis=0))
        spread = np.ptp(face.landmarks, axis=0)
        radius_x = float(max(spread[0], 0.3 * box_w)) * rng.uniform(0.7, 1.1)
        radius_y = float(max(spread[1], 0.3 * box_h)) * rng.uniform(0.7, 1.1)
    across, down = (columns + bend_x - centre_x) / radius_x, (rows + bend_y - centre_y) / radius_y
    inside = (across**2 + down**2 <= 1.0).astype(np.uint8) * 255
    radius = face.side * rng.uniform(0.01, 0.12)
    soft = Image.fromarray(inside).filter(ImageFilter.GaussianBlur(radius))
    strength = rng.choice((0.5, 0.75, 1.0, 1.0, 1.0))
    return np.asarray(soft, np.float32) / 255.0 * strength


def _waves(shape: tuple[int, int], rng: random.Random) -> Float32Array:
    """Return smooth noise in about [-1, 1] over a picture."""
    coarse = np.random.default_rng(rng.getrandbits(32)).uniform(-1, 1, (5, 5)).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((shape[1], shape[0]), Image.Resampling.BICUBIC), np.float32)


def _recolour(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Change colour, and take away or add detail."""
    for kind, reach in ((ImageEnhance.Color, 0.2), (ImageEnhance.Brightness, 0.12), (ImageEnhance.Contrast, 0.15)):
        picture = kind(picture).enhance(rng.uniform(1 - reach, 1 + reach))
    shifts = np.array([rng.uniform(-10, 10) for _ in range(3)], np.float32)
    picture = Image.fromarray((np.asarray(picture, np.float32) + shifts).round().clip(0, 255).astype(np.uint8))
    roll = rng.random()
    if roll < 0.45:  # a face made at a lower resolution
        scale = rng.uniform(0.35, 0.9)
        small = (max(8, round(picture.width * scale)), max(8, round(picture.height * scale)))
        resample = rng.choice((Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.BOX))
        return picture.resize(small, resample).resize(picture.size, Image.Resampling.BICUBIC)
    if roll < 0.7:
        return picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.3)))
    if roll < 0.85:
        return picture.filter(ImageFilter.UnsharpMask(radius=1.5, percent=rng.randint(40, 150)))
    return picture


def move(picture: Image.Image, rng: random.Random, side: float) -> Image.Image:
    """Scale and shift by a few percent of the face."""
    scale = rng.uniform(0.97, 1.03)
    shift_x, shift_y = (rng.uniform(-0.03, 0.03) * side for _ in range(2))
    middle_x, middle_y = picture.width / 2, picture.height / 2
    data = (scale, 0.0, middle_x * (1 - scale) + shift_x, 0.0, scale, middle_y * (1 - scale) + shift_y)
    return picture.transform(picture.size, Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)

"""One lottery of deliveries for both labels, so that no format, size or quality tells them apart.

Generated files are mostly square PNGs, real ones JPEGs of every size; a net that learns that is worthless
(data.md, "Shortcuts"). Every training crop is therefore resized, cut and encoded again by a `Delivery` that is drawn
without looking at the label. Real pictures also carry the JPEG history of their camera or site; generated ones get a
drawn one first (`History`), or "was never a JPEG" would be the lesson (ZhendongWang6/DIRE#30).
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageFilter

Pixels = npt.NDArray[np.uint8]
_RESAMPLES = (
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
    Image.Resampling.BILINEAR,
    Image.Resampling.BOX,
    Image.Resampling.HAMMING,
)
# The re-encoded window is wider than the crop by this much, so that the crop meets the 8-pixel grid at any phase.
_GRID = 8


@dataclass(frozen=True)
class Delivery:
    """Everything that happens to a crop on its way to the net; drawn once, applied to both halves of a pair."""

    scale: float
    resample: Image.Resampling
    left: float
    top: float
    flip: bool
    blur: float
    sharpen: float
    noise: float
    colour: float
    codec: str
    quality: int
    subsampling: int
    phase: tuple[int, int]
    noise_seed: int


def draw_delivery(rng: random.Random) -> Delivery:
    """Draw one delivery; nothing here may depend on the label."""
    roll = rng.random()
    if roll < 0.40:
        scale = 1.0
    elif roll < 0.85:
        scale = rng.uniform(0.35, 1.0)
    else:
        scale = rng.uniform(1.0, 1.5)
    codec = rng.choices(("none", "jpeg", "webp", "avif"), weights=(0.14, 0.66, 0.16, 0.04))[0]
    quality = rng.randint(60, 98) if rng.random() < 0.6 else rng.randint(35, 75)
    return Delivery(
        scale=scale,
        resample=rng.choice(_RESAMPLES),
        left=rng.random(),
        top=rng.random(),
        flip=rng.random() < 0.5,
        blur=rng.uniform(0.3, 1.2) if rng.random() < 0.08 else 0.0,
        sharpen=rng.uniform(0.3, 1.5) if rng.random() < 0.10 else 0.0,
        noise=rng.uniform(1.0, 6.0) if rng.random() < 0.10 else 0.0,
        colour=rng.uniform(0.7, 1.35) if rng.random() < 0.2 else 1.0,
        codec=codec,
        quality=quality,
        subsampling=rng.choice((0, 2, 2)),
        phase=(rng.randrange(_GRID), rng.randrange(_GRID)),
        noise_seed=rng.getrandbits(32),
    )


def add_history(pixels: Pixels, rng: random.Random) -> Pixels:
    """Give a generated crop the JPEG past that most real pictures have: most of them, at the qualities that occur."""
    if rng.random() < 0.25:
        return pixels
    top, left = rng.randrange(_GRID), rng.randrange(_GRID)
    quality = rng.choice((75, 80, 85, 90, 92, 95, 96, 98)) if rng.random() < 0.6 else rng.randint(70, 98)
    picture = Image.fromarray(np.ascontiguousarray(pixels[top:, left:]))
    return np.asarray(_recode(picture, "jpeg", quality, rng.choice((0, 2, 2))))


def deliver(pixels: Pixels, delivery: Delivery, *, side: int) -> Pixels:
    """Return a (side, side, 3) crop of `pixels` (H, W, 3), both sides of which are >= `side`."""
    height, width = pixels.shape[:2]
    wanted = side + _GRID
    scale = max(delivery.scale, side / min(height, width))
    reach = (min(height, round(wanted / scale)), min(width, round(wanted / scale)))
    top, left = round(delivery.top * (height - reach[0])), round(delivery.left * (width - reach[1]))
    picture = Image.fromarray(np.ascontiguousarray(pixels[top : top + reach[0], left : left + reach[1]]))
    if scale != 1.0:
        target = (max(side, round(reach[1] * scale)), max(side, round(reach[0] * scale)))
        picture = picture.resize(target, delivery.resample)
    picture = _touch_up(picture, delivery)
    picture = _recode(picture, delivery.codec, delivery.quality, delivery.subsampling)
    x = min(delivery.phase[0], picture.width - side)
    y = min(delivery.phase[1], picture.height - side)
    crop = np.asarray(picture)[y : y + side, x : x + side]
    return crop[:, ::-1] if delivery.flip else crop


def _touch_up(picture: Image.Image, delivery: Delivery) -> Image.Image:
    if delivery.colour != 1.0:
        picture = ImageEnhance.Color(picture).enhance(delivery.colour)
        picture = ImageEnhance.Brightness(picture).enhance(1 + (delivery.colour - 1) / 3)
    if delivery.blur:
        picture = picture.filter(ImageFilter.GaussianBlur(delivery.blur))
    if delivery.sharpen:
        picture = picture.filter(ImageFilter.UnsharpMask(radius=1.5, percent=round(100 * delivery.sharpen)))
    if delivery.noise:
        drawn = np.random.default_rng(delivery.noise_seed).normal(0, delivery.noise, (picture.height, picture.width, 3))
        picture = Image.fromarray((np.asarray(picture) + drawn).clip(0, 255).astype(np.uint8))
    return picture


def _recode(picture: Image.Image, codec: str, quality: int, subsampling: int) -> Image.Image:
    if codec == "none":
        return picture
    sink = io.BytesIO()
    if codec == "jpeg":
        picture.save(sink, "JPEG", quality=quality, subsampling=subsampling)
    elif codec == "webp":
        picture.save(sink, "WEBP", quality=quality, method=1)
    else:
        picture.save(sink, "AVIF", quality=min(quality, 90), speed=10)
    return Image.open(io.BytesIO(sink.getvalue())).convert("RGB")

"""What happens to a face between camera and judge: shrinking, JPEG, video; drawn once for both halves of a pair."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from detect.networks.face.detector import Face
from detect.training.video.codec import Coding, draw_coding, recode
from detect.types import UInt8Array

LEAST_FACE = 64.0
"""Faces are never shrunk below this side of their box (pixels): smaller ones are not judged."""


@dataclass(frozen=True)
class Delivery:
    """Shrinking, then a video encoder or JPEG (`jpeg` 0 = none)."""

    scale: float = 1.0
    coding: Coding | None = None
    jpeg: int = 0


AS_FILMED = Delivery()
LAUNDERED = Delivery(0.6, Coding("h264", 30))
JPEG_50 = Delivery(jpeg=50)


def draw_delivery(rng: random.Random) -> Delivery:
    """Draw one; nothing here may depend on the label."""
    scale = 1.0 if rng.random() < 0.5 else rng.uniform(0.5, 1.0)
    roll = rng.random()
    if roll < 0.45:
        return Delivery(scale, jpeg=rng.randint(40, 95))
    return Delivery(scale, draw_coding(rng) if roll < 0.75 else None)


def deliver(pixels: UInt8Array, face: Face, delivery: Delivery) -> tuple[UInt8Array, Face]:
    """Return a crop (H, W, 3) uint8 and its face after a delivery."""
    scale = max(delivery.scale, min(1.0, LEAST_FACE / face.side))
    if scale < 1.0:
        picture = Image.fromarray(pixels)
        size = (max(16, round(picture.width * scale)), max(16, round(picture.height * scale)))
        ratio = np.array([size[0] / picture.width, size[1] / picture.height])
        pixels = np.asarray(picture.resize(size, Image.Resampling.BICUBIC))
        x, y, width, height = face.box
        box = (x * ratio[0], y * ratio[1], width * ratio[0], height * ratio[1])
        face = replace(face, box=box, landmarks=face.landmarks * ratio)
    if delivery.coding is not None:
        pixels = recode([pixels], delivery.coding)[0]
    elif delivery.jpeg:
        sink = io.BytesIO()
        Image.fromarray(pixels).save(sink, "JPEG", quality=delivery.jpeg)
        pixels = np.asarray(Image.open(sink).convert("RGB"))
    return pixels, face

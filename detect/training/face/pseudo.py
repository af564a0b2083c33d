"""Faces that look swapped, made from real ones: remade inside a soft mask, everything around them left as it was.

A live swap renders the face with an autoencoder of 128 to 320 pixels, colours it to fit and blends it in; what tells it
from its surroundings is missing skin texture, its own sharpness and its decoder's trace. So three ways to remake a face
stand for it: a round trip through a tiny autoencoder at a low resolution, smoothing that keeps edges, and the
self-blending of `detect.training.face.blend`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import nn

from detect.networks.face.detector import Face
from detect.training.face.blend import blend_with_itself, face_mask, move
from detect.types import UInt8Array

SIDES = (64, 80, 96, 112, 128, 160)
"""Sides (pixels) at which a face is sent through an autoencoder; multiples of 8."""

REACH = 1.25
"""Side of what is sent through it, in units of the face."""


def remake_face(
    pixels: UInt8Array, face: Face, rng: random.Random, decoders: Mapping[str, nn.Module]
) -> tuple[UInt8Array, str]:
    """Return a copy of a crop (H, W, 3) whose face looks swapped, and how that was done.

    Args:
        pixels: (H, W, 3) uint8.
        face: Box and points in that crop.
        rng: Decides everything.
        decoders: Tiny autoencoders by name, see `detect.training.image.tinyvae`; without any, faces are smoothed.
    """
    roll = rng.random()
    if roll < 0.25:
        return blend_with_itself(pixels, face, rng), "blended"
    if decoders and roll < 0.7:
        name = rng.choice(sorted(decoders))
        return _paste(pixels, _decode(pixels, face, rng, decoders[name]), face, rng), name
    return _paste(pixels, _smooth(pixels, rng), face, rng), "smoothed"


def _decode(pixels: UInt8Array, face: Face, rng: random.Random, decoder: nn.Module) -> Image.Image:
    """Return the crop with the square around its face after a round trip at a low resolution."""
    x, y, width, height = face.box
    half = REACH * face.side / 2
    left, right = round(x + width / 2 - half), round(x + width / 2 + half)
    top, bottom = round(y + height / 2 - half), round(y + height / 2 + half)
    whole = Image.fromarray(pixels)
    square = whole.crop((left, top, right, bottom))
    side = rng.choice(SIDES)
    small = np.asarray(square.resize((side, side), Image.Resampling.LANCZOS), np.float32) / 255
    with torch.inference_mode():
        made = decoder(torch.from_numpy(small).permute(2, 0, 1)[None])[0].clamp(0, 1).permute(1, 2, 0).numpy()
    upscaled = Image.fromarray((made * 255).round().astype(np.uint8)).resize(square.size, Image.Resampling.BICUBIC)
    whole.paste(upscaled, (left, top))
    return whole


def _smooth(pixels: UInt8Array, rng: random.Random) -> Image.Image:
    """Return the crop without fine texture, its edges kept."""
    smoothed = Image.fromarray(pixels).filter(ImageFilter.MedianFilter(rng.choice((3, 5, 5))))
    return smoothed.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.9))) if rng.random() < 0.5 else smoothed


def _paste(pixels: UInt8Array, source: Image.Image, face: Face, rng: random.Random) -> UInt8Array:
    """Sharpen at times, recolour and move `source`, and blend its face into the crop."""
    if rng.random() < 0.5:
        source = source.filter(ImageFilter.UnsharpMask(rng.uniform(1, 2.5), rng.randint(30, 150), 0))
    gains = np.array([rng.gauss(1, 0.05) for _ in range(3)], np.float32)
    coloured = (np.asarray(source, np.float32) * gains + rng.gauss(0, 5)).round().clip(0, 255).astype(np.uint8)
    moved = move(Image.fromarray(coloured), rng, face.side) if rng.random() < 0.7 else Image.fromarray(coloured)
    mask = face_mask(pixels.shape[:2], face, rng)[:, :, None]
    return (np.asarray(moved, np.float32) * mask + pixels * (1 - mask)).round().clip(0, 255).astype(np.uint8)

"""Make a picture with a neural decoder, offline: the project's own stand-in for a generated picture.

No picture generator can be had without downloading its weights, so this one is as small as they come: a convolutional
decoder of the kind that ends most image generators, started from random weights and fitted to one photograph until it
draws it again from noise (Ulyanov et al., "Deep Image Prior", CVPR 2018). Every pixel of the result comes out of the
decoder; what is missing against a text-to-image model is a subject of its own.

    python examples/make_generated.py photo.png generated.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn

SIDE = 256
"""Pixels of the square result."""

STEPS = 250
LEARNING_RATE = 0.01
WIDTHS = (48, 48, 32, 24, 16)
SEED = 20260101


def build_decoder() -> nn.Sequential:
    """Return a decoder from (1, 32, SIDE/32, SIDE/32) noise to (1, 3, SIDE, SIDE) in [0, 1]."""
    layers: list[nn.Module] = []
    channels = 32
    for width in WIDTHS:
        layers += [
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(channels, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.LeakyReLU(0.1),
            nn.Conv2d(width, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.LeakyReLU(0.1),
        ]
        channels = width
    return nn.Sequential(*layers, nn.Conv2d(channels, 3, 1), nn.Sigmoid())


def draw(photo: Path) -> Image.Image:
    """Fit the decoder to a photograph and return what it draws."""
    torch.manual_seed(SEED)
    with Image.open(photo) as opened:
        pixels = np.asarray(ImageOps.fit(opened.convert("RGB"), (SIDE, SIDE), Image.Resampling.LANCZOS))
    target = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255.0  # (1, 3, SIDE, SIDE)
    noise = torch.rand(1, 32, SIDE // 2 ** len(WIDTHS), SIDE // 2 ** len(WIDTHS))
    decoder = build_decoder().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(decoder.parameters(), lr=LEARNING_RATE)
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(decoder(noise), target)
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            print(f"step {step:3d} of {STEPS}, error {loss.item():.4f}")
    with torch.no_grad():
        drawn = decoder(noise)[0].permute(1, 2, 0).numpy()  # (SIDE, SIDE, 3)
    return Image.fromarray(np.rint(drawn * 255.0).astype(np.uint8))


def main() -> None:
    """Read the arguments and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("result", type=Path)
    arguments = parser.parse_args()
    draw(arguments.photo).save(arguments.result)


if __name__ == "__main__":
    main()

"""The tiny diffusion autoencoders (TAESD family, madebyollin, MIT): encoder and decoder as plain modules.

A real picture and its round trip through one of these are an aligned pair: same content, and only the decoder's trace
apart. Used in training only; the product ships none of these weights. Architecture as published in madebyollin/taesd.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

LATENT_CHANNELS = {"taesd": 4, "taesdxl": 4, "taesd3": 16, "taef1": 16, "taef2": 32}


class _Clamp(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / 3) * 3


class _Block(nn.Module):
    """Residual block; `pooled` adds the group-normed branch that only taef2 has."""

    def __init__(self, channels: int, *, pooled: bool = False) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            _conv(channels, channels), nn.ReLU(), _conv(channels, channels), nn.ReLU(), _conv(channels, channels)
        )
        self.fuse = nn.ReLU()
        self.pool = (
            nn.Sequential(
                nn.Conv2d(channels, 4 * channels, 1, bias=False),
                nn.GroupNorm(4, 4 * channels),
                nn.ReLU(),
                nn.Conv2d(4 * channels, channels, 1, bias=False),
            )
            if pooled
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.pool is not None:
            x = x + self.pool(x)
        fused: Tensor = self.fuse(self.conv(x) + x)
        return fused


def _conv(inputs: int, outputs: int, *, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, stride=stride, bias=bias)


def _encoder(latents: int, *, pooled: bool) -> nn.Sequential:
    layers: list[nn.Module] = [_conv(3, 64), _Block(64)]
    for stage in range(3):
        layers += [_conv(64, 64, stride=2, bias=False)]
        layers += [_Block(64, pooled=pooled and stage == 2) for _ in range(3)]
    return nn.Sequential(*layers, _conv(64, latents))


def _decoder(latents: int, *, pooled: bool) -> nn.Sequential:
    layers: list[nn.Module] = [_Clamp(), _conv(latents, 64), nn.ReLU()]
    for stage in range(3):
        layers += [_Block(64, pooled=pooled and stage == 0) for _ in range(3)]
        layers += [nn.Upsample(scale_factor=2), _conv(64, 64, bias=False)]
    return nn.Sequential(*layers, _Block(64), _conv(64, 3))


def load_tiny_vae(name: str, folder: Path) -> nn.Sequential:
    """Return encoder and decoder of `name` as one module: (N, 3, H, W) in [0, 1], H and W divisible by 8, to the same.

    `folder` holds `<name>_encoder.safetensors` and `<name>_decoder.safetensors` (taef2: `.pth`).
    """
    pooled = name == "taef2"
    parts = []
    for part, build in (("encoder", _encoder), ("decoder", _decoder)):
        stem = folder / f"{name}_{part}"
        if (path := stem.with_suffix(".safetensors")).exists():
            state = load_file(str(path))
        else:
            state = torch.load(stem.with_suffix(".pth"), map_location="cpu", weights_only=True)
        module = build(LATENT_CHANNELS[name], pooled=pooled)
        module.load_state_dict({key.split(".layers.")[-1]: value.float() for key, value in state.items()})
        parts.append(module)
    return nn.Sequential(*parts).eval().requires_grad_(False)

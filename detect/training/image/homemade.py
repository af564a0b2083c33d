"""Small autoencoders made in the run itself, one for each way in which generators enlarge their features.

The tiny diffusion autoencoders all enlarge in the same way (nearest neighbour and a convolution). GANs,
vector-quantised and token-by-token generators do it otherwise, and the way of enlarging is what leaves the trace. So
each family here is trained for a few minutes on real crops, with a patch critic against blur, and its round trips join
the aligned pairs (the idea of AutoGAN, arXiv 1907.06515, here with the up-sampling of eight families of generators).
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from detect.training.image.crops import Crop, CropStore

log = logging.getLogger(__name__)
FAMILIES = ("nearest", "transposed", "transposed3", "fir", "shuffle", "bilinear", "tokens", "quantised")
_WIDTH = 32
_SIDE = 96
_BATCH = 12
_RATE = 2e-3
_LEVELS = 6  # of each channel of the quantised family


class Homemade(nn.Module):
    """Autoencoder: (N, 3, H, W) in [0, 1], H and W divisible by 8, to the same.

    `family` names how the decoder enlarges: `nearest` (ProGAN, most diffusion decoders), `transposed` with kernel 4
    (DCGAN, pix2pix), `transposed3` with kernel 3 and instance norm (CycleGAN), `fir` (StyleGAN2: transposed, then
    filtered, RGB summed over scales, noise added), `shuffle` (sub-pixel), `bilinear`, `tokens` (each token becomes a
    square of pixels at once: transformers), `quantised` (nearest behind rounded latents: VQ and masked generators).
    """

    def __init__(self, family: str) -> None:
        super().__init__()
        assert family in FAMILIES, f"family must be one of {FAMILIES}, not {family!r}"
        self.family = family
        self.stages = 3 if family in ("tokens", "quantised") else 2
        latents = 48 if self.stages == 3 else 24
        w, folded = _WIDTH, 3 * 4**self.stages
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(2**self.stages),
            nn.Conv2d(folded, 2 * w, 3, padding=1),
            nn.GroupNorm(8, 2 * w),
            nn.SiLU(),
            nn.Conv2d(2 * w, 2 * w, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(2 * w, latents, 1),
        )
        self.enter = nn.Sequential(nn.Conv2d(latents, 2 * w, 3, padding=1), nn.LeakyReLU(0.2))
        self.middle = nn.Sequential(nn.Conv2d(2 * w, 2 * w, 3, padding=1), nn.LeakyReLU(0.2))
        if family == "tokens":
            self.ups = nn.ModuleList([nn.Conv2d(2 * w, 3 * 4**self.stages, 1)])
            return
        self.ups = nn.ModuleList([_enlarge(family, 2 * w if i == 0 else w, w) for i in range(self.stages)])
        self.convs = nn.ModuleList([_settle(family, w) for _ in range(self.stages)])
        self.rgbs = nn.ModuleList([nn.Conv2d(w, 3, 1) for _ in range(self.stages)])
        self.exit = nn.Conv2d(w, 3, 7 if family == "transposed3" else 3, padding=3 if family == "transposed3" else 1)
        for last in (self.exit, *self.rgbs):
            with torch.no_grad():
                last.weight.mul_(0.1)
        self.noise = nn.Parameter(torch.full((self.stages,), 0.02))
        tap = torch.tensor([1.0, 3.0, 3.0, 1.0])
        self.register_buffer("kernel", torch.outer(tap, tap) / 64 * 4, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the round trip, not clamped."""
        z = self.encoder(x * 2 - 1)
        if self.family == "quantised":
            z = torch.tanh(z) * (_LEVELS / 2)
            z = z + (z.round() - z).detach()  # straight through
        h = self.middle(self.enter(z))
        # What is left to the decoder is detail: the smooth part of the picture is given, so minutes of training do.
        small = functional.avg_pool2d(x, 2**self.stages)
        smooth = functional.interpolate(small, scale_factor=float(2**self.stages), mode="bilinear")
        if self.family == "tokens":
            out: Tensor = functional.pixel_shuffle(self.ups[0](h), 2**self.stages)
            return smooth + out
        summed: Tensor | None = None
        for up, conv, rgb, strength in zip(self.ups, self.convs, self.rgbs, self.noise, strict=True):
            h = up(h)
            if self.family == "fir":
                h = h + strength * torch.randn_like(h[:, :1])
            h = conv(h)
            if self.family == "fir":
                summed = rgb(h) if summed is None else self._filtered(summed) + rgb(h)
        if summed is not None:
            return smooth + summed
        out = self.exit(h)
        if self.family.startswith("transposed"):
            out = torch.tanh(out)
        return smooth + out

    def _filtered(self, rgb: Tensor) -> Tensor:
        """Enlarge RGB twice with the filter of StyleGAN2's skips."""
        assert isinstance(self.kernel, Tensor)
        weight = self.kernel.expand(3, 1, 4, 4)
        return functional.conv_transpose2d(rgb, weight, stride=2, padding=1, groups=3)


class _Fir(nn.Module):
    """Transposed convolution followed by StyleGAN2's [1, 3, 3, 1] filter."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(inputs, outputs, 3, stride=2)
        tap = torch.tensor([1.0, 3.0, 3.0, 1.0])
        self.register_buffer("kernel", torch.outer(tap, tap) / 64, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv(x)
        assert isinstance(self.kernel, Tensor)
        weight = (4 * self.kernel).expand(h.shape[1], 1, 4, 4)
        filtered = functional.conv2d(h, weight, padding=1, groups=h.shape[1])
        return filtered[:, :, : 2 * x.shape[2], : 2 * x.shape[3]]


def _enlarge(family: str, inputs: int, outputs: int) -> nn.Module:
    if family == "transposed":
        return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
    if family == "transposed3":
        return nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)
    if family == "fir":
        return _Fir(inputs, outputs)
    if family == "shuffle":
        return nn.Sequential(nn.Conv2d(inputs, 4 * outputs, 3, padding=1), nn.PixelShuffle(2))
    scale = nn.Upsample(scale_factor=2, mode="bilinear") if family == "bilinear" else nn.Upsample(scale_factor=2)
    return nn.Sequential(scale, nn.Conv2d(inputs, outputs, 3, padding=1))


def _settle(family: str, width: int) -> nn.Module:
    norm = nn.InstanceNorm2d(width, affine=True) if family == "transposed3" else nn.Identity()
    act = nn.ReLU() if family.startswith("transposed") else nn.LeakyReLU(0.2)
    return nn.Sequential(act, nn.Conv2d(width, width, 3, padding=1), norm, act)


def _critic() -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 24), (24, 48), (48, 64)):
        layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(64, 1, 3, padding=1))


def load_homemade(family: str, store: CropStore, folder: Path, *, steps: int, seed: int) -> nn.Module:
    """Return the trained autoencoder of a family from `folder`, training it there first when it is missing."""
    path = folder / f"{family}.safetensors"
    net = Homemade(family)
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        real = [crop for crop in store.crops if crop.label == "real" and min(crop.height, crop.width) >= 2 * _SIDE]
        _train(net, store, real, steps=steps, seed=seed)
        partial = path.with_suffix(".partial")
        save_file({key: value.contiguous() for key, value in net.state_dict().items()}, str(partial))
        partial.replace(path)
    net.load_state_dict(load_file(str(path)))
    return net.eval().requires_grad_(False)


def _train(net: Homemade, store: CropStore, crops: Sequence[Crop], *, steps: int, seed: int) -> None:
    """Absolute error of pixels and their differences first; over the second half a hinge critic adds texture."""
    torch.manual_seed(seed)
    rng = random.Random(f"{seed}:{net.family}")  # noqa: S311 - reproducible sampling, not secrets
    critic = _critic()
    optimiser = torch.optim.Adam(net.parameters(), lr=_RATE, betas=(0.5, 0.99))
    judge = torch.optim.Adam(critic.parameters(), lr=4e-4, betas=(0.5, 0.99))
    started, running = time.monotonic(), 0.0
    for step in range(steps):
        real = _batch(store, crops, rng)
        fake = net(real)
        loss = (fake - real).abs().mean()
        running += loss.item()
        for axis in (2, 3):
            loss = loss + (fake.diff(dim=axis) - real.diff(dim=axis)).abs().mean()
        if step >= steps // 2:
            loss = loss - 0.01 * critic(fake).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        if step >= steps // 2 - steps // 8:  # the critic learns a little before it is heard
            verdict = functional.relu(1 - critic(real)).mean() + functional.relu(1 + critic(fake.detach())).mean()
            judge.zero_grad(set_to_none=True)
            verdict.backward()  # type: ignore[no-untyped-call]
            judge.step()
        if (step + 1) % 100 == 0:
            for group in optimiser.param_groups:
                group["lr"] = _RATE * (1 - 0.9 * (step + 1) / steps)
            log.info("%s: step %d, error %.4f, %.0f s", net.family, step + 1, running / 100, time.monotonic() - started)
            running = 0.0


def _batch(store: CropStore, crops: Sequence[Crop], rng: random.Random) -> Tensor:
    windows = []
    for _ in range(_BATCH):
        crop = rng.choice(crops)
        pixels = store.pixels(crop)
        top, left = rng.randrange(crop.height - _SIDE + 1), rng.randrange(crop.width - _SIDE + 1)
        windows.append(pixels[top : top + _SIDE, left : left + _SIDE])
    return torch.from_numpy(np.stack(windows)).permute(0, 3, 1, 2).float() / 255

"""Attacks on a white box: projected gradient descent, and what the result does to every other detector.

PGD (Madry et al. 2018) in the L-infinity ball of `epsilon` grey levels, away from the box's own decision: a picture it
scores as synthetic is pushed to real and the other way round, so the attack never sees a label. The changed picture is
rounded and written as PNG; since a perturbed file goes to all detectors of a run, judging it with the attacked detector
measures robustness, judging it with another measures transfer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from detect.bench.perturb.base import Perturbation, Rng
from detect.bench.perturb.pixels import open_rgb, save_png
from detect.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

Logit = Callable[["Tensor"], "Tensor"]
"""(1, 3, H, W) float32 in [0, 1] -> one logit, larger = synthetic, differentiable."""

MAX_SIDE = 448
"""Pictures are cut to their middle of this many pixels before the attack: cost, and the same for both labels."""


@dataclass(frozen=True)
class WhiteBox:
    """A detector whose gradients can be had; `fingerprint` names code and weights."""

    name: str
    fingerprint: str
    logit: Logit
    device: str = "cpu"


@dataclass(frozen=True)
class AttackSettings:
    """Knobs of the attack.

    Attributes:
        epsilon: Largest change of a channel, whole grey levels of 255, >= 0 (0 = only the cut, as the baseline).
        steps: Gradient steps, >= 1.
        step_share: Size of a step as a share of epsilon.
    """

    epsilon: int
    steps: int = 10
    step_share: float = 0.25

    def __post_init__(self) -> None:
        if self.epsilon < 0 or self.steps < 1:
            raise ConfigError(f"epsilon must be >= 0 and steps >= 1, not {self.epsilon} and {self.steps}")


def attack(pixels: Image.Image, box: WhiteBox, settings: AttackSettings, rng: Rng) -> Image.Image:
    """Return the attacked picture, within `epsilon` grey levels of the given one in every channel."""
    import torch

    clean = torch.from_numpy(np.asarray(pixels, dtype=np.float32) / 255.0).permute(2, 0, 1)[None].to(box.device)
    if settings.epsilon == 0:
        return pixels
    radius = settings.epsilon / 255.0
    with torch.no_grad():
        base = float(box.logit(clean).reshape(-1)[0])
    direction = -1.0 if base > 0 else 1.0
    start = rng.uniform(-radius, radius, tuple(clean.shape)).astype(np.float32)
    x = (clean + torch.from_numpy(start).to(box.device)).clamp(0.0, 1.0)
    best, best_gain = clean, 0.0
    for step in range(settings.steps + 1):
        x = x.detach().requires_grad_(step < settings.steps)
        logit = box.logit(x).reshape(-1)[0]
        gain = direction * (float(logit.detach()) - base)
        if gain > best_gain:
            best, best_gain = x.detach(), gain
        if step < settings.steps:
            (gradient,) = torch.autograd.grad(logit, x)
            x = x.detach() + direction * settings.step_share * radius * gradient.sign()
            x = torch.minimum(torch.maximum(x, clean - radius), clean + radius).clamp(0.0, 1.0)
    found = (best[0].permute(1, 2, 0).cpu().numpy() * 255.0).round()
    limits = np.asarray(pixels, dtype=np.float32)
    bounded = np.clip(found, limits - settings.epsilon, limits + settings.epsilon)  # rounding stays within the ball
    return Image.fromarray(bounded.clip(0, 255).astype(np.uint8))


def pgd(box: WhiteBox, settings: AttackSettings) -> Perturbation:
    """Return the attack as a perturbation, named `pgd-<box>-<epsilon>`."""

    def change(file: Path, stem: Path, rng: Rng) -> Path:
        return save_png(attack(_middle(open_rgb(file)), box, settings, rng), stem)

    about = (
        f"PGD on {box.name} ({box.fingerprint[:24]}), epsilon {settings.epsilon}/255, {settings.steps} steps, "
        f"away from its own decision; middle {MAX_SIDE} px, PNG."
    )
    return Perturbation(f"pgd-{box.name}-{settings.epsilon}", 1, "image", about, change)


def _middle(picture: Image.Image) -> Image.Image:
    width, height = min(picture.width, MAX_SIDE), min(picture.height, MAX_SIDE)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def white_box(spec: str, *, peers_dir: Path | None, peers_code: Path | None, device: str = "cpu") -> WhiteBox:
    """Return the white box that `spec` names.

    `ours` or a model folder; `peer:ferretnet-s`, `peer:tiny-ladeda-wildrf`; or `module:callable`, a function without
    arguments that returns a differentiable function (see `Logit`).

    Raises:
        ConfigError: Not one of these.
    """
    if spec == "ours" or Path(spec).is_dir():
        return _ours(spec, device)
    if spec.startswith("peer:"):
        from detect.bench.peers.image import differentiable_peer

        name = spec.removeprefix("peer:")
        logit, fingerprint = differentiable_peer(name, peers_dir=peers_dir, peers_code=peers_code, device=device)
        return WhiteBox(name, fingerprint, logit, device)
    if ":" in spec:
        from detect.bench.detectors.function import load_target

        maker, fingerprint = load_target(spec)
        return WhiteBox(spec.rpartition(":")[2], fingerprint, maker(), device)
    raise ConfigError(f"no white box {spec!r} (ours, a model folder, peer:NAME, module:callable)")


def _ours(spec: str, device: str) -> WhiteBox:
    """Return our picture model; its score of a picture is the mean over patches, as in the evidence."""
    from detect.networks.image.torch_runner import load_network
    from detect.networks.zoo import find_model

    folder = find_model("image" if spec == "ours" else Path(spec))
    folder.verify()
    net: Any = load_network(folder).to(device)
    side = int(folder.config["input"]["patch_side"])

    def logit(x: Tensor) -> Tensor:
        import torch

        patches = [
            x[:, :, top : top + side, left : left + side]
            for top in _starts(x.shape[2], side)
            for left in _starts(x.shape[3], side)
        ]
        scores: Tensor = net(torch.cat(patches) * 2.0 - 1.0)
        return scores.mean().reshape(1)

    return WhiteBox("ours", folder.ref.sha256, logit, device)


def _starts(extent: int, side: int) -> list[int]:
    """Return where patches start along one side: evenly spread, the last one flush with the edge."""
    count = max(1, -(-extent // side))
    return [round(i * (extent - side) / max(1, count - 1)) if extent > side else 0 for i in range(count)]

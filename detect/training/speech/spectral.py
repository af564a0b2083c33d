"""Train small nets on the crops, one a fold, so that every crop is judged by a net that never heard its repository.

A model ships nets of the kind `spectrogram`; with the other kinds `benchmarks/speech_designs.py` compares them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from detect.networks.audio.raw import RawNet
from detect.networks.audio.spectral import SpectralNet, log_mel, log_spectrogram
from detect.training.speech.clips import Int16Array
from detect.training.speech.features import Waves
from detect.training.speech.recipe import SpectralPlan
from detect.types import Float32Array

logger = logging.getLogger(__name__)

BATCH_SCORED = 32

Rng = np.random.Generator


@dataclass(frozen=True)
class NetKind:
    """A kind of net: how one is made, what it is given of waves (B, samples), and how that is disturbed in training."""

    make: Callable[[], nn.Module]
    see: Callable[[Tensor], Tensor]
    disturb: Callable[[Tensor, Rng], Tensor]


def train_spectral(
    samples: Int16Array,
    chosen: npt.NDArray[np.int64],
    labels: Float32Array,
    weights: Float32Array,
    plan: SpectralPlan,
    *,
    seed: int,
    checkpoint: Path,
    device: str = "cpu",
    kind: str = "spectrogram",
    half: bool = False,
) -> nn.Module:
    """Train one net of a kind, or take the finished one from `checkpoint`.

    Args:
        samples: Crops (crops, samples) int16.
        chosen: Rows to learn from.
        labels: (chosen,) 0 = real, 1 = generated.
        weights: (chosen,) chance of each to be drawn, relative to the others of its label.
        plan: Steps, batch and rates.
        seed: Of weights and order.
        checkpoint: File of the finished weights.
        device: `cpu` or `cuda`.
        kind: One of `KINDS`.
        half: Use bfloat16 on a CPU too: twice as fast on AMD, but NaN with the tiles (AMX) of some Intel processors.
    """
    torch.manual_seed(seed)
    parts = KINDS[kind]
    net = parts.make().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if checkpoint.exists():
        net.load_state_dict(torch.load(checkpoint, weights_only=True))
        return net.eval()
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(net.parameters(), plan.learning_rate, weight_decay=plan.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, plan.learning_rate, total_steps=plan.steps, pct_start=0.15
    )
    draw = _chances(labels, weights)
    running = 0.0
    net.train()
    for step in range(plan.steps):
        picked = rng.choice(len(chosen), plan.batch, p=draw)
        wave = np.stack([_shift(samples[chosen[i]], rng) for i in picked]).astype(np.float32) / 32767
        seen = _as_fast(parts.disturb(parts.see(torch.from_numpy(wave).to(device)), rng))
        targets = torch.from_numpy(labels[picked]).to(device) * (1 - 2 * plan.smoothing) + plan.smoothing
        with torch.autocast(device, torch.bfloat16, enabled=half or device != "cpu"):
            logits = net(seen)
        loss = nn.functional.binary_cross_entropy_with_logits(logits.float(), targets)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        running = 0.98 * running + 0.02 * float(loss.detach()) if step else float(loss.detach())
        if step % 50 == 49:
            logger.info("%s net %d: step %d of %d, loss %.4f", kind, seed, step + 1, plan.steps, running)
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    torch.save(net.state_dict(), checkpoint)
    (checkpoint.with_suffix(".json")).write_text(json.dumps({"steps": plan.steps, "loss": running}), encoding="utf-8")
    return net.eval()


def _chances(labels: Float32Array, weights: Float32Array) -> npt.NDArray[np.float64]:
    """Return the chance of each row to be drawn: both labels alike, within a label by weight."""
    chance = weights.astype(np.float64)
    for label in (0, 1):
        chance[labels == label] /= 2 * chance[labels == label].sum()
    return chance / chance.sum()


def _shift(wave: Int16Array, rng: np.random.Generator) -> Int16Array:
    """Return the crop begun at another moment, its end moved to the front."""
    return np.roll(wave, int(rng.integers(len(wave))))


def mask(pictures: Tensor, rng: Rng) -> Tensor:
    """Blank a stretch of frequencies and one of time, and tilt the spectrum, at random for each picture."""
    count, _, bins, frames = pictures.shape
    for i in range(count):
        if rng.random() < 0.5:
            wide = int(rng.integers(1, bins // 6))
            start = int(rng.integers(bins - wide))
            pictures[i, :, start : start + wide] = 0
        if rng.random() < 0.5:
            wide = int(rng.integers(1, frames // 4))
            start = int(rng.integers(frames - wide))
            pictures[i, :, :, start : start + wide] = 0
    knots = torch.from_numpy(rng.uniform(-0.6, 0.6, (count, 1, 5)).astype(np.float32)).to(pictures.device)
    pictures[:, 0] += nn.functional.interpolate(knots, bins, mode="linear", align_corners=True)[:, 0, :, None]
    return pictures


def mask_wave(wave: Tensor, rng: Rng) -> Tensor:
    """Silence a stretch of frequencies and one of time, and turn the sign, at random for each wave."""
    spectrum = torch.fft.rfft(wave)
    count, bins = spectrum.shape
    for i in range(count):
        if rng.random() < 0.5:
            wide = int(rng.integers(1, bins // 6))
            start = int(rng.integers(bins - wide))
            spectrum[i, start : start + wide] = 0
    masked = torch.fft.irfft(spectrum, wave.shape[1])
    for i in range(count):
        if rng.random() < 0.5:
            wide = int(rng.integers(1, wave.shape[1] // 4))
            start = int(rng.integers(wave.shape[1] - wide))
            masked[i, start : start + wide] = 0
    signs = torch.from_numpy(rng.choice([-1.0, 1.0], (count, 1)).astype(np.float32)).to(wave.device)
    return masked * signs


def _as_fast(x: Tensor) -> Tensor:
    """Return pictures with their channels last, which halves the time of their convolutions, and waves as they are."""
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


KINDS = {
    "spectrogram": NetKind(SpectralNet, log_spectrogram, mask),
    "mel": NetKind(SpectralNet, log_mel, mask),
    "raw": NetKind(RawNet, lambda wave: wave, mask_wave),
}


def score_spectral(
    net: nn.Module, waves: Waves, rows: Sequence[int], *, device: str = "cpu", kind: str = "spectrogram"
) -> Float32Array:
    """Return one logit for each of `rows` of `waves`."""
    net = net.eval().to(device)
    see = KINDS[kind].see
    logits: list[Float32Array] = []
    for start in range(0, len(rows), BATCH_SCORED):
        block = np.stack([waves[i] for i in rows[start : start + BATCH_SCORED]]).astype(np.float32) / 32767
        with torch.inference_mode():
            logits.append(net(see(torch.from_numpy(block).to(device))).float().cpu().numpy())
    return np.concatenate(logits) if logits else np.zeros(0, np.float32)

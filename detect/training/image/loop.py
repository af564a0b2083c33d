"""The training loop: mixed precision on CUDA, averaged weights, checkpoints that a killed run resumes from."""

from __future__ import annotations

import json
import logging
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader

from detect.training.image.batches import BatchStream

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Schedule:
    """Length and pace of a run.

    Attributes:
        steps: Optimiser steps of the first round.
        learning_rate: Peak of AdamW, after `warmup` steps; falls by a cosine to 0 over the last `cooldown` share.
        more_steps: Steps of a second round (warm restart, arXiv 1608.03983) that continues from the first.
        more_rate: Its peak rate, after the same warm-up; falls by a cosine to 0 over the whole of it.
        weight_decay: Decoupled, on weights of two and more dimensions.
        averaging: Decay of the moving average whose weights are kept.
        label_smoothing: Keeps the logits finite where a training label is wrong.
        checkpoint_every: Steps between checkpoints.
    """

    steps: int
    learning_rate: float = 5e-4
    warmup: int = 60
    cooldown: float = 1.0
    more_steps: int = 0
    more_rate: float = 3e-4
    weight_decay: float = 0.03
    averaging: float = 0.995
    label_smoothing: float = 0.04
    checkpoint_every: int = 100

    @property
    def total(self) -> int:
        """Optimiser steps in all."""
        return self.steps + self.more_steps

    def rate(self, step: int) -> float:
        """Return the learning rate of `step`."""
        if step < self.steps:
            return self._round(step, self.steps, self.learning_rate, self.cooldown)
        return self._round(step - self.steps, self.more_steps, self.more_rate, 1.0)

    def _round(self, step: int, steps: int, peak: float, cooldown: float) -> float:
        """Return the rate within one round: warm-up, plateau, cosine to 0."""
        if step < self.warmup:
            return peak * (step + 1) / self.warmup
        start = max(self.warmup, round(steps * (1 - cooldown)))
        if step < start:
            return peak
        return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - start) / max(1, steps - start))))


def train(
    network: nn.Module,
    stream: BatchStream,
    schedule: Schedule,
    folder: Path,
    *,
    device: str = "cpu",
    workers: int = 1,
    resume: bool = True,
) -> nn.Module:
    """Train `network` and return it with averaged weights, in eval mode on the CPU.

    Writes `checkpoint.pt` (everything a resumed run needs) and `log.jsonl` to `folder`. A resumed run draws the
    batches that the killed one would have drawn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network = network.to(device).to(memory_format=torch.channels_last)
    average = torch.optim.swa_utils.AveragedModel(
        network,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(schedule.averaging),  # type: ignore[no-untyped-call]
        use_buffers=True,
    )
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": schedule.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    )
    scaler = torch.amp.GradScaler(enabled=device.startswith("cuda"))
    checkpoint = folder / "checkpoint.pt"
    step = 0
    if resume and checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        scaler.load_state_dict(state["scaler"])
        step = int(state["step"])
        log.info("resumed at step %d", step)
    stream.start = step
    loader = iter(DataLoader(stream, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None))
    losses, right, started = 0.0, 0.0, time.monotonic()
    network.train()
    while step < schedule.total:
        torch.manual_seed(stream.plan.seed * 1_000_003 + step)  # dropout draws the same after a resume
        crops, labels = next(loader)
        crops = crops.to(device, memory_format=torch.channels_last, non_blocking=True)
        labels = labels.to(device)
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate(step)
        with torch.autocast("cuda", torch.float16, enabled=device.startswith("cuda")):
            logits = network(crops)
        smoothed = labels * (1 - schedule.label_smoothing) + schedule.label_smoothing / 2
        loss = functional.binary_cross_entropy_with_logits(logits.float(), smoothed)
        optimiser.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        scaler.unscale_(optimiser)
        nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        scaler.step(optimiser)
        scaler.update()
        average.update_parameters(network)
        losses += loss.item()
        right += ((logits > 0) == (labels > 0.5)).float().mean().item()
        step += 1
        if step % 20 == 0:
            entry = {
                "step": step,
                "loss": round(losses / 20, 4),
                "accuracy": round(right / 20, 4),
                "seconds": round(time.monotonic() - started, 1),
            }
            log.info("%s", entry)
            with (folder / "log.jsonl").open("a", encoding="utf-8") as sink:
                sink.write(json.dumps(entry) + "\n")
            losses, right = 0.0, 0.0
        if step % schedule.checkpoint_every == 0 or step == schedule.total:
            _save(checkpoint, network, average, optimiser, scaler, step)
    (folder / "schedule.json").write_text(json.dumps(asdict(schedule), indent=1))
    trained = average.module
    assert isinstance(trained, nn.Module)
    return trained.eval().to("cpu")


def _save(
    path: Path,
    network: nn.Module,
    average: nn.Module,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    step: int,
) -> None:
    state = {
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimiser": optimiser.state_dict(),
        "scaler": scaler.state_dict(),
        "step": step,
    }
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)  # a kill while writing must not cost the last good checkpoint

"""Which device a model runs on."""

from __future__ import annotations

import shutil
from pathlib import Path

from detect.errors import ConfigError


def _may_have_cuda() -> bool:
    """Return whether a look through torch is worth the seconds that importing it takes."""
    return Path("/dev/nvidia0").exists() or Path("/dev/dxg").exists() or shutil.which("nvidia-smi") is not None


def pick_device(wanted: str = "auto") -> str:
    """Return `cpu` or `cuda[:N]`; `auto` takes a GPU when there is one.

    Raises:
        ConfigError: An unknown device, or CUDA was asked for and is not there.
    """
    if wanted == "cpu" or (wanted == "auto" and not _may_have_cuda()):
        return "cpu"
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" or (wanted.startswith("cuda:") and wanted[5:].isdigit()):
        if not torch.cuda.is_available():
            raise ConfigError(f"device {wanted!r} was asked for, but torch sees no CUDA device; use 'cpu' or 'auto'")
        return wanted
    raise ConfigError(f"unknown device {wanted!r}; use 'auto', 'cpu', 'cuda' or 'cuda:N'")


def list_devices(wanted: str = "auto") -> list[str]:
    """Return the devices that a run may spread over: `cuda` and `auto` stand for every GPU of this machine.

    Raises:
        ConfigError: As `pick_device`.
    """
    chosen = pick_device(wanted)
    if chosen != "cuda":
        return [chosen]
    import torch

    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]

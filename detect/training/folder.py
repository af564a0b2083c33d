"""Write the folder of a trained model: weights, and the config.json that names, calibrates and explains them.

The card and metrics.json come from the bench, never from training.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from safetensors.torch import save_file
from torch import Tensor

from detect.networks.zoo import WEIGHTS_NAME

log = logging.getLogger(__name__)

PIXELS = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "colour": "sRGB"}
"""How every net of ours takes pixels."""


class Named(Protocol):
    """What every recipe says of the model it makes."""

    @property
    def name(self) -> str:
        """Name of the model and of its folder."""

    @property
    def version(self) -> str:
        """Version of the weights."""


class Licensed(Named, Protocol):
    """A recipe that also states a licence."""

    @property
    def license(self) -> str:
        """SPDX name of the licence of the weights."""


def write_weights(state: Mapping[str, Tensor], folder: Path) -> str:
    """Write the tensors as safetensors and return the SHA-256 of the file."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / WEIGHTS_NAME
    save_file({key: value.contiguous() for key, value in state.items()}, str(weights))
    return hashlib.sha256(weights.read_bytes()).hexdigest()


def calibration_id(recipe: Named, sha256: str) -> str:
    """Return the name of a calibration: it belongs to these weights and no others."""
    return f"{recipe.name}-{recipe.version}-{sha256[:8]}"


def write_config(
    folder: Path,
    recipe: Licensed,
    *,
    kind: str,
    architecture: str,
    options: Mapping[str, Any],
    inputs: Mapping[str, Any],
    label: str,
    calibration: Mapping[str, Any],
    sha256: str,
    training: Mapping[str, Any],
) -> Path:
    """Write config.json and return the folder.

    Args:
        folder: Holds the weights.
        recipe: Names the model.
        kind: What it judges.
        architecture: Its registered name.
        options: Of the architecture.
        inputs: How files are brought to it: sizes, beside `PIXELS`.
        label: What a larger logit means.
        calibration: Slope, intercept and thresholds; see `detect.fusion.Calibration`.
        sha256: Of the weights.
        training: What it was made of: counts, seed, hash of the data, figures of what was held out.
    """
    config = {
        "name": recipe.name,
        "version": recipe.version,
        "kind": kind,
        "architecture": architecture,
        "options": dict(options),
        "input": {**inputs, **PIXELS},
        "label": label,
        "calibration": dict(calibration),
        "sha256": sha256,
        "license": recipe.license,
        "training": dict(training),
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    log.info("wrote %s", folder)
    return folder

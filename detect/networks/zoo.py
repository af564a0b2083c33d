"""The trained models: names to folders of `models/`, configs read and weights checked before anything runs.

In a checkout the folder is `models/` beside the package, in an installed wheel it is `detect/_models`. It is data, not
a package: nothing may import a module called `models`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from detect.errors import ModelError, UnknownModelError, WeightsMismatchError
from detect.types import ModelRef

WEIGHTS_NAME = "model.safetensors"
GROUP = "witnessmark.models"
"""Entry points of packages that bring model folders: a function without arguments that returns the folder of them."""
_REQUIRED = ("name", "version", "kind", "architecture", "sha256", "license", "input", "calibration")


@dataclass(frozen=True)
class ModelFolder:
    """One folder of `models/`: where it is and what its config.json says."""

    path: Path
    config: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of the model as its config states it."""
        return str(self.config["name"])

    @property
    def ref(self) -> ModelRef:
        """Name, version and hash of what runs, as Evidence quotes them: the weights, or a graph made from them."""
        graph = self.config.get("graph")
        return ModelRef(self.name, str(self.config["version"]), str((graph or self.config)["sha256"]))

    @property
    def weights(self) -> Path:
        """Path of the weights file."""
        return self.path / str(self.config.get("weights", WEIGHTS_NAME))

    def verify(self) -> None:
        """Check the weights against the hash in config.json.

        Raises:
            WeightsMismatchError: The file is missing or differs.
        """
        if not self.weights.is_file():
            raise WeightsMismatchError(f"model {self.name!r}: no weights at {self.weights.name} in {self.path}")
        found = hashlib.sha256(self.weights.read_bytes()).hexdigest()
        if found != self.config["sha256"]:
            raise WeightsMismatchError(
                f"model {self.name!r}: weights have SHA-256 {found}, config.json states {self.config['sha256']}; "
                "install the package again or train the model anew"
            )


def models_dir(override: Path | None = None) -> Path:
    """Return the folder that holds the model folders.

    Order: `override`, the environment variable WITNESSMARK_MODELS, the wheel's `detect/_models`, the checkout's
    `models/`. The first two may also be the name under which an installed package registered its models.

    Raises:
        ModelError: The package of that name does not give a folder.
    """
    if override is not None:
        return _resolve(override)
    if named := os.environ.get("WITNESSMARK_MODELS"):
        return _resolve(Path(named))
    package = Path(__file__).resolve().parent.parent
    shipped = package / "_models"
    return shipped if shipped.is_dir() else package.parent / "models"


def _resolve(folder: Path) -> Path:
    """Return the folder itself, or what an installed package registered under that one word."""
    if folder.is_dir() or len(folder.parts) != 1:
        return folder
    for entry in entry_points(group=GROUP):
        if entry.name == str(folder):
            try:
                return Path(entry.load()())
            except Exception as error:  # the border to foreign code
                raise ModelError(f"models of {entry.name} ({entry.value}): {type(error).__name__}: {error}") from error
    return folder


def list_models(folder: Path | None = None) -> list[ModelFolder]:
    """Return every model folder under `models_dir(folder)`, sorted by name."""
    root = models_dir(folder)
    if not root.is_dir():
        return []
    return [open_folder(path.parent) for path in sorted(root.glob("*/config.json"))]


def find_model(name_or_folder: str | Path, *, folder: Path | None = None) -> ModelFolder:
    """Return a model by its name, or by the path of a folder of the same shape.

    Raises:
        UnknownModelError: Neither a shipped name nor a folder with a config.json.
    """
    for candidate in (models_dir(folder) / str(name_or_folder), Path(name_or_folder)):
        if (candidate / "config.json").is_file():
            return open_folder(candidate)
    known = ", ".join(model.name for model in list_models(folder)) or "none"
    raise UnknownModelError(
        f"no model {str(name_or_folder)!r} in {models_dir(folder)} (known: {known}), "
        "and no folder of that path holds a config.json"
    )


def open_folder(path: Path) -> ModelFolder:
    """Read and check one model folder's config.json.

    Raises:
        ModelError: The config is not valid JSON or lacks a field.
    """
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path / 'config.json'} cannot be read: {error}") from error
    missing = [key for key in _REQUIRED if key not in config]
    if missing:
        raise ModelError(f"{path / 'config.json'} lacks {', '.join(missing)}")
    return ModelFolder(path, config)

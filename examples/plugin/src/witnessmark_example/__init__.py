"""Example plug-in of Witnessmark: evidence, detector and models from another package."""

from pathlib import Path


def models_folder() -> Path:
    """Return the folder of model folders that this package brings; `WITNESSMARK_MODELS=example` uses it.

    Put the folders there that `witnessmark train` or `witnessmark calibrate --model-out` made.
    """
    return Path(__file__).parent / "models"

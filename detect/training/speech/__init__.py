"""Training of the speech model: `train` turns a recipe and manifests into a model folder."""

from detect.training.speech.run import train

__all__ = ["train"]

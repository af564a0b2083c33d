"""Weights that keep large sources from outweighing small ones, and the scatter that Fisher's discriminant rests on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]
Strings = npt.NDArray[np.str_]


def weigh(names: Strings, *, power: float) -> Float64Array:
    """Return weights that sum to 1; a name with n rows weighs as n to the power of (1 - `power`)."""
    _, inverse, counts = np.unique(names, return_inverse=True, return_counts=True)
    weights = counts[inverse].astype(np.float64) ** -power
    shares: Float64Array = weights / weights.sum()
    return shares


def covariance(rows: Float64Array, weights: Float64Array) -> Float64Array:
    """Return the weighted covariance of (N, F) rows, (F, F); `weights` (N,) sum to 1."""
    centred = rows - weights @ rows
    found: Float64Array = (centred * weights[:, None]).T @ centred
    return found

"""Cheap signals beside the picture model, each judged alone and added to it, on held-out training sources.

python benchmarks/image_signals.py --manifest collected.jsonl --files-per-origin 10 --vae ../shared/weights/tiny_vae

Nothing here ships: the table says whether one of them would be worth it. Files come from the generators and sources
that the recipe holds out, each as the bench's `clean` delivers it, so `val` stays untouched.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import median_filter
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from detect.bench.data.item import Label
from detect.bench.perturb.base import get_perturbation
from detect.evidence.image import ImageExaminer
from detect.training.image.crops import open_picture
from detect.training.image.recipe import read_recipe
from detect.training.image.run import select_items, split_items
from detect.training.image.tinyvae import load_tiny_vae

DECODERS = ("taesd", "taesd3", "taef1")
SIDE = 256


def main() -> None:
    """Print one JSON line a signal: AUC alone by grouped folds, and of the model's logit with it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=Path("models/image/recipe.toml"))
    parser.add_argument("--manifest", type=Path, action="append", default=[])
    parser.add_argument("--files-per-origin", type=int, default=10)
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--perturbation", default="clean")
    args = parser.parse_args()
    recipe = read_recipe(args.recipe)
    _, held_out = split_items(select_items(recipe, args.manifest), recipe.data.holdout)
    examiner = ImageExaminer.load(device="cpu")
    vaes = [load_tiny_vae(name, args.vae) for name in DECODERS]
    counts: Counter[str] = Counter()
    table: dict[str, list[list[float]]] = {}
    logits, labels, origins = [], [], []
    with tempfile.TemporaryDirectory() as scratch:
        for item in held_out:
            picture = open_picture(item.file) if counts[item.origin] < args.files_per_origin else None
            if picture is None or min(picture.size) < SIDE:
                continue
            counts[item.origin] += 1
            copy = get_perturbation(args.perturbation, media="image").apply(item.file, Path(scratch), item_id=item.id)
            pixels = np.asarray(open_picture(copy))
            for name, values in signals(pixels, vaes).items():
                table.setdefault(name, []).append(values)
            logits.append(examiner.score([pixels])[0].logit)
            labels.append(item.label is Label.FAKE)
            origins.append(item.origin)
    base = np.array(logits)[:, None]
    columns = {name: np.array(values) for name, values in table.items()}
    columns["all signals"] = np.hstack(list(columns.values()))
    print(
        json.dumps({"signal": "model alone", "auc": round(float(roc_auc_score(labels, logits)), 3), "n": len(labels)})
    )
    for name, features in columns.items():
        alone, joined = folds(features, labels, origins), folds(np.hstack([base, features]), labels, origins)
        print(json.dumps({"signal": name, "auc_alone": round(alone, 3), "auc_with_model": round(joined, 3)}))


def folds(features: np.ndarray, labels: list[bool], origins: list[str]) -> float:
    """Return the AUC of a logistic regression, each origin judged by a fit that never saw it."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced"))
    scores = cross_val_predict(model, features, labels, groups=origins, cv=GroupKFold(8), method="decision_function")
    return float(roc_auc_score(labels, scores))


def signals(pixels: np.ndarray, vaes: list[torch.nn.Sequential]) -> dict[str, list[float]]:
    """Return each signal's numbers for one picture (H, W, 3) uint8, from its central 256 x 256 pixels."""
    top, left = max(0, (pixels.shape[0] - SIDE) // 2), max(0, (pixels.shape[1] - SIDE) // 2)
    window = pixels[top : top + SIDE, left : left + SIDE].astype(np.float32) / 255
    window = window[: window.shape[0] // 8 * 8, : window.shape[1] // 8 * 8]
    grey = window.mean(axis=2)
    detail = float(np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()) + 1e-4
    return {
        "reconstruction (AEROBLADE, arXiv 2401.17879)": reconstruction(window, vaes, detail),
        "neighbouring pixels (NPR, arXiv 2312.10461)": neighbours(window, detail),
        "median residual (FerretNet, arXiv 2509.20890)": median_residual(grey, detail),
        "spectral peaks (arXiv 1911.00686)": spectral_peaks(grey),
        "colour filter array (demosaicing trace)": demosaicing(window),
    }


def reconstruction(window: np.ndarray, vaes: list[torch.nn.Sequential], detail: float) -> list[float]:
    """How well each tiny autoencoder copies the window, against how much detail it holds."""
    batch = torch.from_numpy(np.ascontiguousarray(window.transpose(2, 0, 1)))[None]
    with torch.no_grad():
        errors = [float((vae(batch).clamp(0, 1) - batch).abs().mean()) for vae in vaes]
    return [np.log(error / detail) for error in errors] + [np.log(min(errors))]


def neighbours(window: np.ndarray, detail: float) -> list[float]:
    """What nearest-neighbour down and up by two leaves, by position in the 2 x 2 cell."""
    cells = window[: window.shape[0] // 2 * 2, : window.shape[1] // 2 * 2]
    first = cells[::2, ::2]
    parts = [np.abs(cells[dy::2, dx::2] - first).mean() / detail for dy, dx in ((0, 1), (1, 0), (1, 1))]
    return [float(np.log(part + 1e-4)) for part in parts]


def median_residual(grey: np.ndarray, detail: float) -> list[float]:
    """Size and peakedness of what a 3 x 3 median removes."""
    residual = grey - median_filter(grey, size=3)
    spread = float(residual.std()) + 1e-6
    return [float(np.log(spread / detail)), float(np.log((residual**4).mean() / spread**4 + 1e-3))]


def spectral_peaks(grey: np.ndarray) -> list[float]:
    """Power at half, quarter and eighth of the sampling rate against its surroundings, rows and columns."""
    residual = grey - median_filter(grey, size=3)
    power = np.log(np.abs(np.fft.fft2(residual)) ** 2 + 1e-9)
    out = []
    for axis in (0, 1):
        line = power.mean(axis=axis)
        for share in (2, 4, 8):
            at = len(line) // share
            around = np.concatenate([line[at - 6 : at - 2], line[at + 3 : at + 7]])
            out.append(float(line[at] - around.mean()))
    return out


def demosaicing(window: np.ndarray) -> list[float]:
    """How unequal the four positions of a Bayer cell are interpolated, a camera's trace, per colour."""
    out = []
    for channel in range(3):
        plane = window[..., channel]
        around = (np.roll(plane, 1, 0) + np.roll(plane, -1, 0) + np.roll(plane, 1, 1) + np.roll(plane, -1, 1)) / 4
        rest = (plane - around) ** 2
        means = [float(np.log(rest[dy::2, dx::2].mean() + 1e-9)) for dy in (0, 1) for dx in (0, 1)]
        out += [max(means) - min(means), abs(means[0] + means[3] - means[1] - means[2])]
    return out


if __name__ == "__main__":
    main()

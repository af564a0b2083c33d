"""Recipe in, model folder out: voices, clips, crops, features, heads, spectrogram nets, calibration, weights, heads for
splices; every stage resumes."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from detect.errors import ConfigError
from detect.networks.audio.speech import WINDOW_S, SpeechNet
from detect.training.folder import calibration_id, write_weights
from detect.training.image.calibration import HeldOutScore, summarise
from detect.training.speech.calibrate import (
    CalibrationWindows,
    Float64Array,
    fit_fusion,
    gather_scores,
    judged_keys,
    make_calibration,
    pick_clips,
    score_held_out,
)
from detect.training.speech.clips import Clip, ClipStore, cache_clips, cap_rows, read_rows
from detect.training.speech.crops import Crop, CropStore, make_crops
from detect.training.speech.features import FeatureStore, describe
from detect.training.speech.folds import assign_folds
from detect.training.speech.heads import IntArray, apply_standardisation, standardisation, train_head, weigh
from detect.training.speech.pretrained import load_activity, load_whisper
from detect.training.speech.recipe import Recipe, hash_rows, read_recipe
from detect.training.speech.spectral import train_spectral
from detect.training.speech.stretches import train_stretches
from detect.training.speech.voices import make_voices

logger = logging.getLogger(__name__)


def train(
    recipe_path: Path,
    *,
    manifests: Sequence[Path] = (),
    work: Path,
    out: Path | None = None,
    device: str = "cpu",
    resume: bool = True,
) -> Path:
    """Train the speech model that a recipe describes.

    Args:
        recipe_path: `recipe.toml` of kind `speech`.
        manifests: JSONL manifests instead of the recipe's.
        work: Folder for decoded clips, crops and features (about 4 GB) and the log of seeds and hashes.
        out: Model folder to write; default: the recipe's own.
        device: `cpu` or `cuda`, for features and heads.
        resume: Take up a stopped run; False deletes `work` first.

    Returns:
        The folder that now holds `model.safetensors`, `config.json` and `metrics.json`.

    Raises:
        ConfigError: The recipe or a manifest cannot be used, or the data lack one of the labels.
        MissingExtraError: A package that carries starting weights is not installed.
    """
    recipe = read_recipe(recipe_path)
    if manifests:
        recipe = replace(recipe, data=replace(recipe.data, manifests=tuple(str(path.resolve()) for path in manifests)))
    if not resume and work.exists():
        shutil.rmtree(work)
    clips, crops = prepare(recipe, work)
    net = make_net(recipe)
    width = net.mean.numel()
    features = FeatureStore(work / "features", width)
    describe(net, crops.samples(), features, device=device)
    windows = CalibrationWindows(pick_clips(clips.clips(), recipe.calibration), clips.samples())
    clean = FeatureStore(work / "calibration", width)
    describe(net, windows, clean, device=device)
    net.to("cpu")
    folds = fold_map(crops, recipe.data.folds)
    trusted = [clip for clip in clips.clips() if clip.system not in recipe.data.left_out]
    keys = {clip.key for clip in trusted}
    train_heads(net, crops, features, folds, recipe, keys=keys, device=device)
    train_spectral_nets(net, crops, folds, recipe, keys=keys, work=work, device=device)
    round_weights(net)
    listed = crops.crops()
    heard, seen = score_held_out(net, listed, features.load(), crops.samples(), folds)
    if net.spectral:
        labels, even = np.array([float(crop.label) for crop in listed]), weigh(listed).astype(np.float64)
        net.fusion.copy_(torch.tensor(fit_fusion(heard, seen, labels, even)))
        logger.info("fusion of heads and spectrogram nets: %s", net.fusion.tolist())
    laundered = fuse(net, heard, seen)
    heard_clips = [clip for clip, _ in windows.places]
    clean_logits = fuse(net, *score_held_out(net, heard_clips, clean.load(), windows, folds))
    np.savez(work / "held_out.npz", heard=heard, seen=seen, fused=laundered, clean=clean_logits)
    whole, single = gather_scores(windows, clean_logits, listed, laundered, judged_keys(trusted))
    block = make_calibration(whole, single)
    kept = [crop for crop in listed if crop.key in keys]
    folder = write_folder(net, recipe, out or recipe.folder, clips=trusted, crops=kept, block=block, whole=whole)
    train_stretches(recipe, net, clips, work=work, out=folder, device=device)
    net.to("cpu")
    return folder


def prepare(recipe: Recipe, work: Path) -> tuple[ClipStore, CropStore]:
    """Make voices, decode every recording and cut the crops.

    Raises:
        ConfigError: No real or no generated recordings were found.
    """
    if recipe.data.voices:
        manifest = make_voices(work.resolve() / "voices", count=recipe.data.voices, seed=recipe.crops.seed)
        recipe = replace(recipe, data=replace(recipe.data, manifests=(*recipe.data.manifests, str(manifest))))
    rows = cap_rows(read_rows(recipe), fake=recipe.data.max_clips_a_system, real=recipe.data.max_clips_a_source)
    found = {label: sum(row["label"] == label for row in rows) for label in ("real", "fake")}
    if not all(found.values()):
        raise ConfigError(f"the manifests lead to {found['real']} real and {found['fake']} generated recordings")
    logger.info("%d real and %d generated recordings", found["real"], found["fake"])
    clips = ClipStore(work / "clips")
    cache_clips(recipe, clips, rows)
    crops = CropStore(work / "crops", recipe.crops.seconds)
    make_crops(crops, clips, recipe.crops)
    return clips, crops


def make_net(recipe: Recipe) -> SpeechNet:
    """Return the net with the gate and the listener loaded and untrained heads."""
    spectral = recipe.data.folds if recipe.spectral.steps else 0
    net = SpeechNet(layers=recipe.head.layers, hidden=recipe.head.hidden, heads=recipe.data.folds, spectral=spectral)
    net.gate = load_activity()
    net.listener = load_whisper(recipe.head.layers)
    return net.eval()


def fold_map(crops: CropStore, folds: int) -> dict[str, int]:
    """Return the fold of each repository."""
    return assign_folds(((crop.repo, crop.label, crop.system) for crop in crops.crops() if not crop.copier), folds)


def own_folds(listed: Sequence[Crop], folds: Mapping[str, int], keys: Set[str]) -> IntArray:
    """Return the fold of each crop, -1 where its clip is not one of `keys` and nobody learns from it."""
    return np.array([folds[crop.repo] if crop.key in keys else -1 for crop in listed])


def train_heads(
    net: SpeechNet,
    crops: CropStore,
    store: FeatureStore,
    folds: Mapping[str, int],
    recipe: Recipe,
    *,
    keys: Set[str],
    device: str,
) -> None:
    """Train head k on the crops of `keys` in every fold but k; the standardisation is that of all crops."""
    listed = crops.crops()[: store.done]
    raw = store.load()
    mean, scale = standardisation(raw)
    net.mean.copy_(torch.from_numpy(mean))
    net.scale.copy_(torch.from_numpy(scale))
    ready = torch.from_numpy(apply_standardisation(raw, mean, scale)).to(device)
    labels = torch.tensor([float(crop.label) for crop in listed], device=device)
    own_fold = own_folds(listed, folds, keys)
    for fold in range(recipe.data.folds):
        chosen = np.flatnonzero((own_fold != fold) & (own_fold >= 0))
        weights = torch.from_numpy(weigh([listed[i] for i in chosen])).to(device)
        index = torch.from_numpy(chosen).to(device)
        head = train_head(ready[index], labels[index], weights, recipe.head, seed=recipe.head.seed + fold)
        net.heads[fold] = head.cpu()


def train_spectral_nets(
    net: SpeechNet,
    crops: CropStore,
    folds: Mapping[str, int],
    recipe: Recipe,
    *,
    keys: Set[str],
    work: Path,
    device: str,
) -> None:
    """Train spectrogram net k on every fold but k and put it into the net, when the recipe wants any."""
    listed, samples = crops.crops()[: crops.done], crops.samples()
    own_fold = own_folds(listed, folds, keys)
    labels = np.array([float(crop.label) for crop in listed], np.float32)
    for fold in range(len(net.spectral)):
        chosen = np.flatnonzero((own_fold != fold) & (own_fold >= 0))
        trained = train_spectral(
            samples,
            chosen,
            labels[chosen],
            weigh([listed[i] for i in chosen]),
            recipe.spectral,
            seed=recipe.spectral.seed + fold,
            checkpoint=work / "spectral" / f"net{fold}.pt",
            device=device,
        )
        net.spectral[fold] = trained.cpu().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


def fuse(net: SpeechNet, heard: Float64Array, seen: Float64Array) -> Float64Array:
    """Return the logits of whole windows."""
    if not net.spectral:
        return heard
    return net.fuse(torch.from_numpy(heard), torch.from_numpy(seen)).double().numpy()


def round_weights(net: SpeechNet) -> None:
    """Round large matrices to the half precision that they ship in, so that calibration sees what users run."""
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if _is_halved(name, value):
                value.copy_(value.half().float())


def _is_halved(name: str, value: torch.Tensor) -> bool:
    """Return whether a tensor ships in half precision; the gate stays exact, it is small."""
    return value.ndim >= 2 and not name.startswith("gate.")


def write_folder(
    net: SpeechNet,
    recipe: Recipe,
    out: Path,
    *,
    clips: Sequence[Clip],
    crops: Sequence[Crop],
    block: dict[str, Any],
    whole: Sequence[HeldOutScore],
) -> Path:
    """Write weights (large matrices in half precision), config and the held-out figures."""
    state = {key: value.half() if _is_halved(key, value) else value for key, value in net.state_dict().items()}
    digest = write_weights(state, out)
    block = {**block, "id": calibration_id(recipe, digest)}
    config: dict[str, Any] = {
        "name": recipe.name,
        "version": recipe.version,
        "kind": "speech",
        "architecture": "whisper_statistics_spectral",
        "options": {
            "layers": recipe.head.layers, "hidden": recipe.head.hidden, "heads": len(net.heads),
            "features": net.mean.numel(), "spectral": len(net.spectral),
        },
        "input": {"sample_rate_hz": 16_000, "window_s": WINDOW_S, "channels": 1},
        "label": "logit larger = generated",
        "calibration": block,
        "sha256": digest,
        "license": "Apache-2.0",
        "training": {
            "data_sha256": hash_rows([clip.key.partition("#")[0] for clip in clips]),
            "recordings": len({clip.key.partition("#")[0] for clip in clips}),
            "generators": len({crop.system for crop in crops if crop.label}),
            "sources": len({crop.system for crop in crops if not crop.label}),
            "repositories": len({crop.repo for crop in crops}),
            "crops": len(crops),
            "seed": recipe.crops.seed,
            "held_out": summarise(list(whole), block),
        },
    }  # fmt: skip
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return out

"""`witnessmark train` for faces: recipe in, model folder out, every stage resumable."""

from __future__ import annotations

import hashlib
import json
import logging
import random
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors.torch import save_file

from detect.errors import ConfigError
from detect.networks.face.align import VIEWS
from detect.networks.face.detector import load_detector
from detect.networks.image.onnx_runner import OnnxRunner, export_graph
from detect.networks.image.patch_net import PatchNet, create
from detect.networks.image.patch_scorer import PatchScorer
from detect.networks.image.torch_runner import load_network
from detect.networks.zoo import WEIGHTS_NAME, find_model
from detect.training.face.batches import FacePlan, FaceStream, View, load, show
from detect.training.face.clips import StoredFace, cut_faces, read_clip_list
from detect.training.face.recipe import FaceRecipe, read_recipe
from detect.training.image.batches import BatchStream
from detect.training.image.calibration import HeldOutScore, fit_calibration, summarise
from detect.training.image.loop import train as train_network
from detect.training.pretrained import start_from_imagenet
from detect.training.video.codec import Coding
from detect.types import UInt8Array

log = logging.getLogger(__name__)

DELIVERIES: dict[str, tuple[float, Coding | None]] = {"clean": (1.0, None), "laundered": (0.6, Coding("h264", 30))}
"""How held-out faces are delivered for calibration: as they are; and at 0.6 of their size through H.264 at CRF 30."""


def train(
    recipe_path: Path,
    *,
    manifests: Sequence[Path] = (),
    work: Path,
    out: Path | None = None,
    device: str = "cpu",
    resume: bool = True,
) -> Path:
    """Train the face model of a recipe and return its folder.

    Args:
        recipe_path: A `recipe.toml` with `kind = "face"`.
        manifests: Clip lists instead of those that the recipe names.
        work: Folder for cut faces and checkpoints.
        out: Model folder to write; default the recipe's own.
        device: `cpu` or `cuda[:N]`.
        resume: Take up the last checkpoint in `work`.

    Raises:
        ConfigError: Recipe or list is not usable, or no pair is there.
        MissingExtraError: No face detector is installed.
    """
    recipe = read_recipe(recipe_path)
    random.seed(recipe.seed)
    torch.manual_seed(recipe.seed)
    faces = collect_faces(recipe, manifests, work / "faces")
    training, held_out = split_faces(faces, recipe)
    stream = FaceStream(
        training,
        FacePlan(
            recipe.batches.batch,
            recipe.batches.side,
            recipe.batches.pair_share,
            recipe.batches.blend_share,
            recipe.seed,
        ),
    )
    if not stream.pairs:
        raise ConfigError(f"recipe {recipe_path}: no swap pair was cut; are the side-by-side clips there?")
    log.info("%d faces train (%s), %d calibrate", len(training), _count(training), len(held_out))
    network = create(recipe.model.architecture, **dict(recipe.model.options))
    if recipe.model.start == "imagenet" and isinstance(network, PatchNet):
        start_from_imagenet(network.backbone)
    elif recipe.model.start not in ("imagenet", "random"):
        network.load_state_dict(load_network(find_model(recipe.model.start)).state_dict())
    batches = cast(BatchStream, stream)  # the loop asks for nothing but batches, `start` and `plan.seed`
    trained = train_network(network, batches, recipe.schedule, work / "loop", device=device, resume=resume)
    scores = score_held_out(trained, recipe, held_out)
    (work / "held_out.jsonl").write_text("".join(json.dumps(score.__dict__) + "\n" for score in scores))
    return export(trained, recipe, training, scores, out or recipe_path.parent)


def collect_faces(recipe: FaceRecipe, manifests: Sequence[Path], folder: Path) -> list[StoredFace]:
    """Cut what the lists name; clips that were cut before are kept."""
    rows = [
        row
        for path in (list(manifests) or [recipe.path.parent / name for name in recipe.data.clips])
        for row in read_clip_list(path)
    ]
    detector = load_detector()
    cut_faces([row for row in rows if row.layout != "whole"], folder, detector, frames=recipe.data.pair_frames)
    return cut_faces([row for row in rows if row.layout == "whole"], folder, detector, frames=recipe.data.single_frames)


def split_faces(faces: Sequence[StoredFace], recipe: FaceRecipe) -> tuple[list[StoredFace], list[StoredFace]]:
    """Split into (train, held out): by person for pairs, by source or generator for single faces."""
    held = [
        face.person in recipe.data.holdout_persons
        if face.pair
        else any(fnmatchcase(face.origin, pattern) for pattern in recipe.data.holdout_origins)
        for face in faces
    ]
    return (
        [face for face, out in zip(faces, held, strict=True) if not out],
        [face for face, out in zip(faces, held, strict=True) if out],
    )


def score_held_out(network: torch.nn.Module, recipe: FaceRecipe, faces: Sequence[StoredFace]) -> list[HeldOutScore]:
    """Score held-out faces under both deliveries; a person of the pairs counts as an origin of each label."""
    scorer = PatchScorer(OnnxRunner(export_graph(network)))
    ordered = sorted(faces, key=lambda face: hashlib.sha256(face.file.rsplit("/", 1)[-1].encode()).hexdigest())
    taken: Counter[tuple[str, str]] = Counter()
    scores = []
    for face in ordered:
        origin = f"{face.origin}/{face.person}" if face.pair else face.origin
        taken[face.label, origin] += 1
        if taken[face.label, origin] > recipe.calibration.faces_per_origin:
            continue
        for name, (scale, coding) in DELIVERIES.items():
            logit = float(np.mean(scorer.score(_delivered(face, scale, coding, recipe.batches.side))))
            scores.append(HeldOutScore(face.label == "fake", origin, name, logit))
    return scores


def _delivered(face: StoredFace, scale: float, coding: Coding | None, side: int) -> list[UInt8Array]:
    """Return the views of a face that the product judges, after a delivery."""
    views = [
        View(max(min(1.0, 48 / face.face.side), scale), coding, 0, margin, 0.0, (0.0, 0.0), mirrored)
        for margin, mirrored in VIEWS
    ]
    return [show(load(face), face.face, view, side) for view in views]


def export(
    network: torch.nn.Module,
    recipe: FaceRecipe,
    training: Sequence[StoredFace],
    scores: Sequence[HeldOutScore],
    folder: Path,
) -> Path:
    """Write weights and config.json; card and metrics come from the bench."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / WEIGHTS_NAME
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, str(weights))
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    block = fit_calibration(
        scores,
        calibration_id=f"{recipe.name}-{recipe.version}-{sha256[:8]}",
        largest_source_rate=recipe.calibration.largest_source_rate,
        miss_rate=recipe.calibration.miss_rate,
    )
    digest = hashlib.sha256("\n".join(sorted(face.file.rsplit("/", 1)[-1] for face in training)).encode()).hexdigest()
    config: dict[str, Any] = {
        "name": recipe.name,
        "version": recipe.version,
        "kind": "face",
        "architecture": recipe.model.architecture,
        "options": dict(recipe.model.options),
        "input": {
            "patch_side": recipe.batches.side,
            "margins": [margin for margin, _ in VIEWS],
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
            "colour": "sRGB",
        },
        "label": "logit larger = swapped or generated",
        "calibration": block,
        "sha256": sha256,
        "license": recipe.license,
        "training": {
            "data_sha256": digest,
            "faces": len(training),
            "pairs": len({face.pair for face in training if face.pair}),
            "people": len({face.person for face in training if face.pair}),
            "seed": recipe.seed,
            "steps": recipe.schedule.total,
            "held_out": summarise(scores, block),
        },
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    log.info("wrote %s", folder)
    return folder


def _count(faces: Sequence[StoredFace]) -> str:
    counts = Counter(f"{'pair' if face.pair else 'single'} {face.label}" for face in faces)
    return ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))

"""`witnessmark train` for faces: recipe in, model folder out; cut and measured faces are kept between runs."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from detect.errors import ConfigError
from detect.networks.face.align import LARGEST_FACE
from detect.networks.face.detector import load_detector
from detect.networks.face.region_net import RegionNet
from detect.networks.image.patch_net import create
from detect.networks.zoo import find_model
from detect.training.face.clips import cut_faces
from detect.training.face.corpus import Corpus, sort_faces
from detect.training.face.features import FaceMeter
from detect.training.face.fit import Discriminant
from detect.training.face.recipe import FaceRecipe, read_recipe
from detect.training.face.store import StoredFace, read_clip_list
from detect.training.face.trial import choose, fit, measure
from detect.training.folder import calibration_id, write_config, write_weights
from detect.training.image.calibration import HeldOutScore, fit_calibration, summarise
from detect.training.image.tinyvae import LATENT_CHANNELS, load_tiny_vae
from detect.training.pretrained import take_stages

log = logging.getLogger(__name__)


def train(
    recipe_path: Path,
    *,
    manifests: Sequence[Path] = (),
    work: Path,
    out: Path | None = None,
    device: str = "cpu",
    resume: bool = True,
) -> Path:
    """Fit the face model of a recipe and return its folder.

    Args:
        recipe_path: A `recipe.toml` with `kind = "face"`.
        manifests: Clip lists instead of those that the recipe names.
        work: Folder for cut faces and their statistics; what is there is used again.
        out: Model folder to write; default the recipe's own.
        device: Not used: the fit takes a minute on one core, and the statistics run on ONNX Runtime.
        resume: Not used: every stage finds what it made before.

    Raises:
        ConfigError: Recipe or list is not usable, or no pair is there.
        MissingExtraError: No face detector is installed.
    """
    recipe = read_recipe(recipe_path)
    faces = collect_faces(recipe, manifests, work / "faces")
    corpus = sort_faces(faces, recipe)
    if not corpus.filmed:
        raise ConfigError(f"recipe {recipe_path}: no swap pair was cut; are the side-by-side clips there?")
    log.info("faces: %s", _count(faces))
    network = start_network(recipe)
    table = measure(corpus, _meter(network, recipe, work))
    trial = choose(table, corpus, recipe.fit)
    log.info("chosen: ridge %g, made pairs %g", trial.ridge, trial.made_share)
    set_head(network, fit(table, corpus.keep(None), trial.ridge, trial.made_share))
    (work / "held_out.jsonl").write_text("".join(json.dumps(score.__dict__) + "\n" for score in trial.scores))
    kept = keep_some(trial.scores, recipe.calibration.faces_per_origin)
    return export(network, recipe, corpus, kept, trial.figures, out or recipe_path.parent)


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


def start_network(recipe: FaceRecipe) -> RegionNet:
    """Return the network with the first stages of the model that the recipe starts from.

    Raises:
        ConfigError: Another architecture, or that model lacks them.
    """
    network = create(recipe.model.architecture, **dict(recipe.model.options))
    if not isinstance(network, RegionNet):
        raise ConfigError(
            f"recipe {recipe.path}: faces need architecture region_net, not {recipe.model.architecture!r}"
        )
    take_stages(network, find_model(recipe.model.start), member=recipe.model.member)
    return network.eval()


def set_head(network: RegionNet, fitted: Discriminant) -> None:
    """Write the fitted layer into the network."""
    with torch.no_grad():
        network.head.weight[0] = torch.from_numpy(fitted.weights)
        network.head.bias[0] = fitted.offset


def keep_some(scores: Sequence[HeldOutScore], most: int) -> list[HeldOutScore]:
    """Return at most `most` scores of each origin, label and delivery, spread over the list."""
    rows: dict[tuple[bool, str, str], list[HeldOutScore]] = {}
    for score in scores:
        rows.setdefault((score.is_fake, score.origin, score.perturbation), []).append(score)
    return [
        own[index]
        for own in rows.values()
        for index in np.unique(np.linspace(0, len(own) - 1, min(most, len(own))).round().astype(int))
    ]


def export(
    network: RegionNet,
    recipe: FaceRecipe,
    corpus: Corpus,
    scores: Sequence[HeldOutScore],
    figures: dict[str, Any],
    folder: Path,
) -> Path:
    """Write weights and config.json."""
    sha256 = write_weights(network.state_dict(), folder)
    block = fit_calibration(
        scores,
        calibration_id=calibration_id(recipe, sha256),
        largest_source_rate=recipe.calibration.largest_source_rate,
        miss_rate=recipe.calibration.miss_rate,
    )
    return write_config(
        folder,
        recipe,
        kind="face",
        architecture=recipe.model.architecture,
        options=recipe.model.options,
        inputs={"margin": network.margin, "largest_face": LARGEST_FACE},
        label="logit larger = swapped or generated",
        calibration=block,
        sha256=sha256,
        training={
            "data_sha256": hashlib.sha256("\n".join(sorted(_files(corpus))).encode()).hexdigest(),
            "pairs": len(corpus.filmed),
            "people": len({pair.real.person for pair in corpus.filmed}),
            "pairs_of_other_programs": len(corpus.others),
            "other_programs": sorted({pair.real.origin for pair in corpus.others}),
            "made_pairs": len(corpus.copied),
            "unswapped_faces": len(corpus.singles),
            "sources": len({face.origin for face in corpus.singles}),
            "seed": recipe.seed,
            "left_out": figures,
            "held_out": summarise(scores, block),
        },
    )


def _files(corpus: Corpus) -> list[str]:
    pairs = [half.name for pair in (*corpus.filmed, *corpus.others) for half in (pair.real, pair.fake)]
    return [*pairs, *(face.name for face in corpus.singles)]


def _count(faces: Sequence[StoredFace]) -> str:
    counts = Counter(f"{'pair' if face.pair else 'single'} {face.label}" for face in faces)
    return ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))


def _meter(network: RegionNet, recipe: FaceRecipe, work: Path) -> FaceMeter:
    decoders: dict[str, torch.nn.Module] = {}
    if recipe.data.decoders:
        folder = recipe.path.parent / recipe.data.decoders
        decoders = {name: load_tiny_vae(name, folder) for name in LATENT_CHANNELS if name != "taef2"}
    return FaceMeter(network, work / "features", decoders=decoders, seed=recipe.seed)

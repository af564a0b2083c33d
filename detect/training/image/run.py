"""`witnessmark train` for pictures: recipe in, model folder out, every stage resumable."""

from __future__ import annotations

import hashlib
import json
import logging
import random
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from detect.bench.data.item import Item, Label
from detect.bench.data.manifest import read_manifest
from detect.bench.perturb.base import get_perturbation
from detect.errors import ConfigError
from detect.evidence.image import ImageExaminer
from detect.fusion import Calibration, ThresholdRow
from detect.networks.image.onnx_runner import OnnxRunner, export_graph
from detect.networks.image.patch_net import PatchEnsemble, PatchNet, create
from detect.networks.image.patch_scorer import PatchScorer
from detect.networks.image.torch_runner import TorchRunner
from detect.training.folder import calibration_id, write_config, write_weights
from detect.training.image.batches import BatchPlan, BatchStream
from detect.training.image.calibration import HeldOutScore, fit_calibration, summarise
from detect.training.image.crops import Crop, CropStore, build_store, open_picture
from detect.training.image.homemade import load_homemade
from detect.training.image.loop import train as train_network
from detect.training.image.pairs import PAIR_SIDE, PairStore, build_pairs
from detect.training.image.recipe import ImageRecipe, read_recipe
from detect.training.image.tinyvae import load_tiny_vae
from detect.training.pretrained import start_from_imagenet
from detect.types import ModelRef

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
    """Train the picture model of a recipe and return its folder.

    Args:
        recipe_path: A `recipe.toml` with `kind = "image"`.
        manifests: Instead of those that the recipe names, for example what `collect.py` wrote.
        work: Folder for crops, pairs and checkpoints; about 1 MB a training picture.
        out: Model folder to write; default the recipe's own.
        device: `cpu` or `cuda[:N]`.
        resume: Take up finished stages and the last checkpoint in `work`.

    Raises:
        ConfigError: Recipe or manifest is not usable, or no file of a label is there.
    """
    recipe = read_recipe(recipe_path)
    random.seed(recipe.seed)
    torch.manual_seed(recipe.seed)
    items = select_items(recipe, manifests)
    training, held_out = split_items(items, recipe.data.holdout)
    log.info("%d files train, %d calibrate", len(training), len(held_out))
    store = _stage_crops(recipe, training, work / "crops", resume=resume)
    pairs = [_stage_pairs(recipe, store, work / "pairs")] if recipe.pairs.count else []
    network = create(recipe.model.architecture, **dict(recipe.model.options))
    started_from = start_network(network, recipe)
    batches = recipe.batches
    plan = BatchPlan(batches.batch, batches.side, batches.pair_share, recipe.seed, batches.weights)
    stream = BatchStream([(store, crop) for crop in store.crops], pairs, plan)
    trained = join_companions(
        train_network(network, stream, recipe.schedule, work / "loop", device=device, resume=resume), recipe
    )
    scores = score_held_out(trained, recipe, held_out, work / "held_out.jsonl", device=device)
    return export(trained, recipe, training, scores, out or recipe_path.parent, started_from=started_from)


def start_network(network: torch.nn.Module, recipe: ImageRecipe) -> str:
    """Give `network` its first weights and return what they were: `random`, `imagenet`, or the SHA-256 of a file.

    Raises:
        ConfigError: The file that the recipe names is missing or holds another architecture.
    """
    start = recipe.model.start
    if start == "random":
        return start
    if start == "imagenet":
        assert isinstance(network, PatchNet), "only PatchNet has an ImageNet backbone"
        start_from_imagenet(network.backbone)
        return start
    return load_weights(network, recipe, start)


def load_weights(network: torch.nn.Module, recipe: ImageRecipe, name: str) -> str:
    """Load a weights file that the recipe names and return its SHA-256.

    Raises:
        ConfigError: The file is missing or holds another architecture.
    """
    path = recipe.path.parent / name
    try:
        network.load_state_dict(load_file(str(path)))
    except (OSError, RuntimeError) as error:
        raise ConfigError(f"recipe {recipe.path}: weights {path} cannot be used: {error}") from error
    return hashlib.sha256(path.read_bytes()).hexdigest()


def join_companions(trained: torch.nn.Module, recipe: ImageRecipe) -> torch.nn.Module:
    """Return the network to ship: the trained one, or its ensemble with the recipe's companions.

    Raises:
        ConfigError: A companion is missing or of another architecture.
    """
    if not recipe.model.companions:
        return trained
    assert isinstance(trained, PatchNet), "only PatchNet can be averaged with companions"
    ensemble = PatchEnsemble(1 + len(recipe.model.companions), **recipe.model.options)
    ensemble.members[0] = trained
    for place, name in enumerate(recipe.model.companions, start=1):
        load_weights(ensemble.members[place], recipe, name)
    return ensemble.eval()


def select_items(recipe: ImageRecipe, manifests: Sequence[Path]) -> list[Item]:
    """Return the training files: real and generated (not edited), each SHA-256 once, capped per origin.

    Which files a cap keeps is decided by a hash of each file, so that it does not depend on the order of manifests.
    """
    paths = list(manifests) or [(recipe.path.parent / name) for name in recipe.data.manifests]
    by_hash: dict[str, Item] = {}
    for path in paths:
        for item in read_manifest(path, kinds=("image",), splits=(recipe.data.split,)).items:
            if item.label is not Label.EDITED:
                by_hash.setdefault(item.sha256 or item.id, item)
    by_origin: dict[str, list[Item]] = defaultdict(list)
    for key in sorted(by_hash, key=lambda key: hashlib.sha256(f"{recipe.seed}:{key}".encode()).hexdigest()):
        item = by_hash[key]
        if len(by_origin[item.origin]) < recipe.data.caps.get(item.origin, recipe.data.cap):
            by_origin[item.origin].append(item)
    chosen = [item for origin in sorted(by_origin) for item in by_origin[origin]]
    labels = Counter(item.label for item in chosen)
    if not labels[Label.REAL] or not labels[Label.FAKE]:
        raise ConfigError(
            f"training needs files of both labels, found {dict(labels)}; see data.manifests of the recipe"
        )
    return chosen


def split_items(items: Sequence[Item], holdout: Sequence[str]) -> tuple[list[Item], list[Item]]:
    """Split files into (train, held out) by generator or source name."""
    held = [any(fnmatchcase(item.origin, pattern) for pattern in holdout) for item in items]
    return (
        [item for item, out in zip(items, held, strict=True) if not out],
        [item for item, out in zip(items, held, strict=True) if out],
    )


def data_hash(items: Sequence[Item]) -> str:
    """SHA-256 over the sorted hashes and labels of files: two runs with the same value saw the same data."""
    lines = sorted(f"{item.sha256 or item.id} {item.label}" for item in items)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _stage_crops(recipe: ImageRecipe, items: Sequence[Item], folder: Path, *, resume: bool) -> CropStore:
    stamp = folder / "seed"
    if folder.exists() and not (resume and stamp.is_file() and stamp.read_text() == str(recipe.seed)):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    stamp.write_text(str(recipe.seed))
    rows = [
        {
            "file": str(item.file),
            "label": str(item.label),
            ("source" if item.label is Label.REAL else "generator"): item.origin,
            "group": item.group,
            "sha256": item.sha256 or item.id,
        }
        for item in items
    ]
    return build_store(rows, folder, seed=recipe.seed)


def _stage_pairs(recipe: ImageRecipe, store: CropStore, folder: Path) -> PairStore:
    vae_folder = (recipe.path.parent / recipe.pairs.vae_folder).resolve()
    if not vae_folder.is_dir():
        raise ConfigError(f"aligned pairs need the tiny autoencoders at {vae_folder} (recipe: pairs.vae_folder)")
    chosen = select_pair_crops(store, recipe.pairs.count, seed=recipe.seed)
    decoders: dict[str, Callable[[], torch.nn.Module]] = {
        name: partial(load_tiny_vae, name, vae_folder) for name in recipe.pairs.decoders
    }
    steps = recipe.pairs.homemade_steps
    for name in recipe.pairs.homemade:
        decoders[f"homemade-{name}"] = partial(
            load_homemade, name, store, folder / "homemade", steps=steps, seed=recipe.seed
        )
    return build_pairs(store, chosen, folder, decoders=decoders, seed=recipe.seed)


def select_pair_crops(store: CropStore, count: int, *, seed: int) -> list[Crop]:
    """Choose about `count` real crops for pairs: each source a quota by the root of its size, crops by their hash."""
    by_source: dict[str, list[Crop]] = defaultdict(list)
    for crop in store.crops:
        if crop.label == "real" and min(crop.height, crop.width) >= PAIR_SIDE:
            by_source[crop.name].append(crop)
    roots = {name: len(crops) ** 0.5 for name, crops in by_source.items()}
    chosen: list[Crop] = []
    for name in sorted(by_source):
        ordered = sorted(by_source[name], key=lambda crop: hashlib.sha256(f"{seed}:{crop.key}".encode()).digest())
        chosen += ordered[: max(1, round(count * roots[name] / sum(roots.values())))]
    return chosen


def score_held_out(
    network: torch.nn.Module, recipe: ImageRecipe, items: Sequence[Item], log_path: Path, *, device: str
) -> list[HeldOutScore]:
    """Score every held-out file under both protocols of the bench; the rows are also written to `log_path`."""
    unused = Calibration("none", 1.0, 0.0, 1.0, (ThresholdRow(0.02, 0.0, 0.0),))
    examiner = ImageExaminer(
        PatchScorer(OnnxRunner(export_graph(network)) if device == "cpu" else TorchRunner(network, device=device)),
        unused,
        model=ModelRef(recipe.name, recipe.version, ""),
        patch_side=recipe.input.patch_side,
        max_patches=recipe.input.max_patches,
    )
    per_origin: Counter[str] = Counter()
    scores: list[HeldOutScore] = []
    with tempfile.TemporaryDirectory() as scratch, log_path.open("w", encoding="utf-8") as sink:
        for item in items:
            if per_origin[item.origin] >= recipe.calibration.files_per_origin:
                continue
            picture = open_picture(item.file)
            if picture is None or min(picture.size) < 96:
                continue
            per_origin[item.origin] += 1
            for name in ("clean", "laundered"):
                copy = get_perturbation(name, media="image").apply(item.file, Path(scratch), item_id=item.id)
                delivered = open_picture(copy)
                copy.unlink()
                assert delivered is not None, "the bench wrote a picture that does not open"
                result = examiner.score([np.asarray(delivered)])[0]
                score = HeldOutScore(item.label is Label.FAKE, item.origin, name, result.logit)
                scores.append(score)
                sink.write(json.dumps({"id": item.id, **score.__dict__}) + "\n")
    return scores


def _stored(value: torch.Tensor, *, half: bool) -> torch.Tensor:
    return (value.half() if half and value.is_floating_point() else value).contiguous()


def export(
    network: torch.nn.Module,
    recipe: ImageRecipe,
    training: Sequence[Item],
    scores: Sequence[HeldOutScore],
    folder: Path,
    *,
    started_from: str,
) -> Path:
    """Write weights and config.json; the card and metrics.json come from the bench."""
    half = isinstance(network, PatchEnsemble)  # several networks within the 30 MB of a model
    sha256 = write_weights({key: _stored(value, half=half) for key, value in network.state_dict().items()}, folder)
    block = fit_calibration(
        scores,
        calibration_id=calibration_id(recipe, sha256),
        largest_source_rate=recipe.calibration.largest_source_rate,
        miss_rate=recipe.calibration.miss_rate,
    )
    return write_config(
        folder,
        recipe,
        kind="image",
        architecture="patch_ensemble" if isinstance(network, PatchEnsemble) else recipe.model.architecture,
        options=dict(recipe.model.options)
        | ({"members": len(network.members)} if isinstance(network, PatchEnsemble) else {}),
        inputs={"patch_side": recipe.input.patch_side, "max_patches": recipe.input.max_patches},
        label="logit larger = generated",
        calibration=block,
        sha256=sha256,
        training={
            "data_sha256": data_hash(training),
            "files": len(training),
            "generators": len({item.origin for item in training if item.label is Label.FAKE}),
            "sources": len({item.origin for item in training if item.label is Label.REAL}),
            "seed": recipe.seed,
            "steps": recipe.schedule.total,
            "started_from": started_from,
            "held_out": summarise(scores, block),
        },
    )

"""`witnessmark train` for clips: recipe in, model folder out, every stage resumable."""

from __future__ import annotations

import hashlib
import logging
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch

from detect.bench.data.item import Item, Label
from detect.bench.data.manifest import data_set_of, read_rows
from detect.errors import ConfigError
from detect.evidence.frames import FrameExaminer
from detect.evidence.pooling import ContrastTable
from detect.fusion import Calibration, ThresholdRow
from detect.networks.image.onnx_runner import OnnxRunner, export_graph
from detect.networks.image.patch_scorer import PatchScorer
from detect.networks.image.statistics_net import StatisticsNet
from detect.networks.image.torch_runner import TorchRunner
from detect.networks.zoo import ModelFolder, find_model
from detect.training.folder import calibration_id, write_config, write_weights
from detect.training.image.calibration import summarise
from detect.training.image.pairs import PairStore
from detect.training.image.run import data_hash
from detect.training.pretrained import take_stages
from detect.training.video.batches import FramePlan, FrameStream
from detect.training.video.calibrate import (
    ClipScores,
    deliver_clips,
    fit,
    held_out_scores,
    made_inserts,
    save_scores,
    score_clips,
)
from detect.training.video.head import draw_crops, fit_head
from detect.training.video.recipe import VideoRecipe, read_recipe
from detect.training.video.store import build_frame_store, cut_frames, to_row
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
    """Fit and calibrate the frame model of a recipe and return its folder.

    Everything that does not depend on the network (frames, crops after encoding, delivered clips) is made once and
    kept in `work`, so that new weights of the picture model are fitted and calibrated in minutes.

    Args:
        recipe_path: A `recipe.toml` with `kind = "video"`.
        manifests: Instead of those that the recipe names, for example what `collect.py` wrote.
        work: Folder for frames and crops. `work/image/pairs`, where it is there, is a store of the picture model's
            training (`witnessmark train models/image/recipe.toml`), and joins.
        out: Model folder to write; default the recipe's own.
        device: `cpu` or `cuda[:N]`.
        resume: Keep the crops that `work` holds from an earlier fit; delivered clips are always kept.

    Raises:
        ConfigError: Recipe or manifest is not usable, or no clip of a label is there.
    """
    recipe = read_recipe(recipe_path)
    random.seed(recipe.seed)
    torch.manual_seed(recipe.seed)
    training, held_out = split_items(select_items(recipe, manifests), recipe)
    pictures = select_pictures(recipe, manifests)
    log.info("%d clips and %d pictures train, %d clips calibrate", len(training), len(pictures), len(held_out))
    start = find_model(recipe.model.start)
    network = StatisticsNet(start.config["options"]["backbone"])
    take_stages(network, start, member=recipe.model.member)
    if not resume:
        for old in [work / "drawn.json", *work.glob("features-*.npy")]:
            old.unlink(missing_ok=True)
    crops = draw_crops(build_stream(recipe, training, pictures, work), work, count=recipe.head.crops)
    chosen = fit_head(
        network,
        crops,
        ridges=recipe.head.ridges,
        seed=recipe.seed,
        kept=work / f"features-{start.ref.sha256[:16]}-{recipe.model.member}.npy",
    )
    log.info("head: %s", chosen)
    clips = deliver_clips(
        held_out,
        work / "held_out",
        per_origin=recipe.calibration.clips_per_origin,
        frames=recipe.calibration.frames_per_clip,
    )
    scored = score_clips(clips, plain_examiner(network, recipe, device=device).score)
    save_scores(scored, work / "held_out.jsonl")
    return export(network, recipe, start, [*training, *pictures], scored, out or recipe_path.parent, chosen=chosen)


def select_items(recipe: VideoRecipe, manifests: Sequence[Path]) -> list[Item]:
    """Return the training clips, each file (or panel of one) once, generators capped by a hash of each file."""
    by_hash = {
        f"{item.sha256 or item.id}{item.facts.get('crop', '')}": item
        for item in reversed(list(_listed(recipe, manifests, "video")))
        if item.file.suffix.lower() not in recipe.data.formats_left_out
    }
    taken: Counter[str] = Counter()
    chosen = []
    for key in sorted(by_hash, key=lambda key: hashlib.sha256(f"{recipe.seed}:{key}".encode()).hexdigest()):
        item = by_hash[key]
        taken[item.origin] += 1
        if taken[item.origin] <= recipe.data.cap or item.label is Label.REAL:
            chosen.append(item)
    labels = Counter(item.label for item in chosen)
    if not labels[Label.REAL] or not labels[Label.FAKE]:
        raise ConfigError(
            f"training needs clips of both labels, found {dict(labels)}; see data.manifests of the recipe"
        )
    return sorted(chosen, key=lambda item: item.id)


def select_pictures(recipe: VideoRecipe, manifests: Sequence[Path]) -> list[Item]:
    """Return the training pictures, each once; none when the recipe wants none."""
    if recipe.batches.picture_share == 0:
        return []
    found = {item.sha256 or item.id: item for item in _listed(recipe, manifests, "image")}
    return [found[key] for key in sorted(found)]


def _listed(recipe: VideoRecipe, manifests: Sequence[Path], kind: str) -> Iterator[Item]:
    for path in list(manifests) or [recipe.path.parent / name for name in recipe.data.manifests]:
        rows = [row for row in read_rows(path) if row.get("kind") == kind and row.get("split") == "train"]
        if rows:
            items = data_set_of(rows, name=path.stem, root=path.parent).items
            yield from (item for item in items if item.label is not Label.EDITED)


def split_items(items: Sequence[Item], recipe: VideoRecipe) -> tuple[list[Item], list[Item]]:
    """Split clips into (train, held out): whole origins, and half of the groups of `halved` ones."""
    parts: dict[bool, list[Item]] = defaultdict(list)
    for item in items:
        is_out = any(fnmatchcase(item.origin, pattern) for pattern in recipe.data.holdout)
        if any(fnmatchcase(item.origin, pattern) for pattern in recipe.data.halved):
            is_out = hashlib.sha256((item.group or item.id).encode()).digest()[0] % 2 == 1
        parts[is_out].append(item)
    return parts[False], parts[True]


def build_stream(recipe: VideoRecipe, training: Sequence[Item], pictures: Sequence[Item], work: Path) -> FrameStream:
    """Return the training batches: frames of clips, pictures, and the picture model's pairs where they are there."""
    rows = cut_frames(training, work / "frames", frames=recipe.data.frames)
    store = build_frame_store(rows, work / "crops", seed=recipe.seed)
    stills = build_frame_store([to_row(item, item.file) for item in pictures], work / "pictures", seed=recipe.seed)
    pairs = work / "image" / "pairs"
    plan = recipe.batches
    return FrameStream(
        store,
        stills if pictures else None,
        PairStore(pairs) if (pairs / "pairs.jsonl").is_file() else None,
        FramePlan(plan.batch, plan.side, plan.pair_share, plan.picture_share, recipe.seed),
    )


def plain_examiner(network: torch.nn.Module, recipe: VideoRecipe, *, device: str) -> FrameExaminer:
    """Return an examiner that scores frames as the product does, without a calibration yet."""
    runner = OnnxRunner(export_graph(network)) if device == "cpu" else TorchRunner(network, device=device)
    return FrameExaminer(
        PatchScorer(runner),
        Calibration("none", 1.0, 0.0, 1.0, (ThresholdRow(0.02, 0.0, 0.0),)),
        frame_calibration=(1.0, 0.0, 1.0),
        contrasts=ContrastTable(),
        model=ModelRef(recipe.name, recipe.version, ""),
        patch_side=recipe.input.patch_side,
        max_patches=recipe.input.max_patches,
    )


def export(
    network: torch.nn.Module,
    recipe: VideoRecipe,
    start: ModelFolder,
    training: Sequence[Item],
    scored: Sequence[ClipScores],
    folder: Path,
    *,
    chosen: Mapping[str, Any],
) -> Path:
    """Write weights and config.json."""
    clips = [item for item in training if item.kind == "video"]
    sha256 = write_weights(network.state_dict(), folder)
    block = fit(
        scored,
        calibration_id=calibration_id(recipe, sha256),
        largest_source_rate=recipe.calibration.largest_source_rate,
        miss_rate=recipe.calibration.miss_rate,
        seed=recipe.seed,
    )
    return write_config(
        folder,
        recipe,
        kind="video",
        architecture="statistics_net",
        options={"backbone": start.config["options"]["backbone"]},
        inputs={"patch_side": recipe.input.patch_side, "max_patches": recipe.input.max_patches},
        label="logit larger = generated",
        calibration=block,
        sha256=sha256,
        training={
            "data_sha256": data_hash(training),
            "clips": len(clips),
            "generators": len({item.origin for item in clips if item.label is Label.FAKE}),
            "sources": len({item.origin for item in clips if item.label is Label.REAL}),
            "pictures": len(training) - len(clips),
            "seed": recipe.seed,
            "head": dict(chosen),
            "start": start.ref.sha256,
            "held_out": summarise(held_out_scores(scored), block),
            "inserts_of_3_s": made_inserts(scored, block, seed=recipe.seed),
        },
    )

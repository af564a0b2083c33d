"""`witnessmark train` for clips: recipe in, model folder out, every stage resumable."""

from __future__ import annotations

import hashlib
import logging
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from detect.bench.data.item import Item, Label
from detect.bench.data.manifest import data_set_of, read_rows
from detect.errors import ConfigError
from detect.networks.face.detector import load_detector
from detect.networks.image.statistics_net import StatisticsNet
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
)
from detect.training.video.crops import draw_crops
from detect.training.video.head import HeadPlan, area, cross_fit, deal, fit_head
from detect.training.video.kinds import KINDS, kinds_of
from detect.training.video.recipe import VideoRecipe, read_recipe
from detect.training.video.rows import RowMeter, join_rows
from detect.training.video.store import build_frame_store, cut_frames, to_row

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
    kept in `work`, so that new weights of the picture model are fitted and calibrated in minutes. What calibrates are
    scores of clips by heads that saw nothing of their makers; the head that ships saw all.

    Args:
        recipe_path: A `recipe.toml` with `kind = "video"`.
        manifests: Instead of those that the recipe names, for example what `collect.py` wrote.
        work: Folder for frames and crops. `work/image/pairs`, where it is there, is a store of the picture model's
            training (`witnessmark train models/image/recipe.toml`), and joins.
        out: Model folder to write; default the recipe's own.
        device: Not used: rows are measured by ONNX Runtime on one thread, and the fit takes minutes.
        resume: Keep the crops that `work` holds from an earlier fit; delivered clips are always kept.

    Raises:
        ConfigError: Recipe or manifest is not usable, or no clip of a label is there.
    """
    recipe = read_recipe(recipe_path)
    random.seed(recipe.seed)
    torch.manual_seed(recipe.seed)
    items, pictures = select_items(recipe, manifests), select_pictures(recipe, manifests)
    log.info("%d clips and %d pictures", len(items), len(pictures))
    start = find_model(recipe.model.start)
    network = StatisticsNet(start.config["options"]["backbone"])
    take_stages(network, start, member=recipe.model.member)
    measured = work / f"rows-{start.ref.sha256[:16]}-{recipe.model.member}"
    if not resume:
        for old in (work / "drawn.json", measured / "crops.npy"):
            old.unlink(missing_ok=True)
    meter = RowMeter(network, measured, patch_side=recipe.input.patch_side, max_patches=recipe.input.max_patches)
    crops = meter.measure_crops(draw_crops(build_stream(recipe, items, pictures, work), work, count=recipe.head.crops))
    clips = meter.measure_clips(
        deliver_clips(
            items,
            work / "delivered",
            per_origin=recipe.head.clips_per_origin,
            frames=recipe.head.frames_per_clip,
        )
    )
    rows = join_rows(crops, clips)
    plan = HeadPlan(recipe.head.ridge, recipe.head.within)
    makers = deal({clip.clip.origin: clip.clip.is_fake for clip in clips}, recipe.head.folds, recipe.seed)
    kinds = kinds_of([clip.clip for clip in clips], load_detector(), work / "faces.json")
    scored, by_kind = cross_fit(rows, clips, plan, makers), cross_fit(rows, clips, plan, kinds)
    left_out = {"by_maker": round(area(scored), 4), "by_kind": round(area(by_kind), 4)}
    for number, kind in enumerate(KINDS):
        own = [item for item in by_kind if kinds[item.clip.origin] == number]
        if {item.clip.is_fake for item in own} == {False, True}:
            left_out[kind] = round(area(own), 4)
    log.info("area under the curve of left-out clips: %s", left_out)
    save_scores(scored, work / "left_out.jsonl")
    fit_head(rows, plan).write(network.head)
    chosen = {"crops": len(crops), "frames": len(rows) - len(crops), "area_left_out": left_out}
    return export(network, recipe, start, [*items, *pictures], scored, out or recipe_path.parent, chosen=chosen)


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
            "left_out": summarise(held_out_scores(scored), block),
            "inserts_of_3_s": made_inserts(scored, block, seed=recipe.seed),
        },
    )

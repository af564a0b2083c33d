"""Scores of left-out clips to likelihood ratios, thresholds and the table for stretches that stand out.

Frames of training clips are delivered once by the bench's two protocols and kept; each is scored by a head that saw
nothing of its maker (`detect.training.video.head.cross_fit`). The table maps the clarity of a stretch to the ratio that
as many authentic clips reach as reach it by their whole: chains of authentic clips of one to five minutes, each made of
stretches of real clips, stand for what users bring.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detect.bench.data.item import Item, Label
from detect.bench.perturb.base import get_perturbation
from detect.evidence.pooling import Contrast, ContrastTable, Float64Array, find_contrast, pool_whole, shared_part
from detect.training.image.calibration import (
    HeldOutScore,
    fit_calibration,
    origin_weights,
    weighted_quantile,
)
from detect.types import UInt8Array

log = logging.getLogger(__name__)

DELIVERIES = ("clean", "laundered")
CHAIN_LENGTHS_S = (20, 60, 120, 300)
NAMED_RATES = (0.02, 0.01, 0.005)
"""Shares of authentic chains that reach the rows of the table of stretches."""

CHAINS = 1200
"""Authentic chains drawn for the table; they share frames, so their tail beyond a hundredth means little."""


Scene = tuple[Float64Array, int]
"""Logits to draw from, and for how many samples."""


@dataclass(frozen=True)
class ClipFrames:
    """Frames of one delivered clip: its origin, label, group and the file that holds them as (T, H, W, 3) uint8."""

    origin: str
    is_fake: bool
    group: str
    delivery: str
    file: Path


@dataclass(frozen=True)
class ClipScores:
    """Logits of the frames of one delivered clip, in order."""

    clip: ClipFrames
    logits: Float64Array


def deliver_clips(items: Sequence[Item], folder: Path, *, per_origin: int, frames: int) -> list[ClipFrames]:
    """Deliver clips under both protocols and keep `frames` frames of each; done ones are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    taken: Counter[str] = Counter()
    found: list[ClipFrames] = []
    for item in sorted(items, key=lambda item: hashlib.sha256(item.id.encode()).hexdigest()):
        if "crop" in item.facts:
            continue  # the protocols deliver whole files
        taken[item.origin] += 1
        if taken[item.origin] > per_origin:
            continue
        for delivery in DELIVERIES:
            file = folder / f"{hashlib.sha256(item.id.encode()).hexdigest()[:16]}-{delivery}.npy"
            if not file.exists():
                pixels = _deliver(item, delivery, frames)
                if pixels is None:
                    continue
                np.save(file, pixels)
            found.append(ClipFrames(item.origin, item.label is Label.FAKE, item.group or item.id, delivery, file))
    return found


def _deliver(item: Item, delivery: str, frames: int) -> UInt8Array | None:
    import av

    try:
        with tempfile.TemporaryDirectory() as scratch:
            copy = get_perturbation(delivery, media="video").apply(item.file, Path(scratch), item_id=item.id)
            with av.open(str(copy)) as container:
                all_frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    except (OSError, ValueError) as error:
        log.warning("%s: %s", item.file.name, error)
        return None
    chosen = np.linspace(0, len(all_frames) - 1, min(frames, len(all_frames))).round().astype(int)
    return np.stack([all_frames[index] for index in chosen])


def fit(
    scored: Sequence[ClipScores], *, calibration_id: str, largest_source_rate: float, miss_rate: float, seed: int
) -> dict[str, Any]:
    """Return the `calibration` block of config.json, with its `frame` line and `contrast` table."""
    whole = held_out_scores(scored)
    block = fit_calibration(
        whole, calibration_id=calibration_id, largest_source_rate=largest_source_rate, miss_rate=miss_rate
    )
    block["frame"] = fit_frames(scored, cap=float(block["cap"]))
    block["contrast"] = fit_contrast(scored, block, seed=seed)
    return block


def held_out_scores(scored: Sequence[ClipScores]) -> list[HeldOutScore]:
    """Return the pooled logit of each delivered clip, and of its halves, which are clips of their own to a user."""
    return [
        HeldOutScore(item.clip.is_fake, item.clip.origin, item.clip.delivery, pool_whole(item.logits))
        for item in scored
    ]


def fit_frames(scored: Sequence[ClipScores], *, cap: float) -> dict[str, float]:
    """Return slope, intercept and cap for single moments, every origin weighted alike."""
    from sklearn.linear_model import LogisticRegression

    rows = [
        HeldOutScore(item.clip.is_fake, item.clip.origin, item.clip.delivery, float(logit))
        for item in scored
        for logit in item.logits
    ]
    logits = np.array([row.logit for row in rows])
    labels = np.array([row.is_fake for row in rows])
    model = LogisticRegression(C=1e6).fit(logits[:, None], labels, sample_weight=origin_weights(rows))
    slope = max(1e-3, float(model.coef_[0, 0]))
    return {"slope": round(slope, 6), "intercept": round(float(model.intercept_[0]), 6), "cap": cap}


def fit_contrast(scored: Sequence[ClipScores], block: dict[str, Any], *, seed: int) -> list[dict[str, float]]:
    """Return rows of (clarity, llr): as many authentic chains reach the clarity as whole clips reach the ratio.

    The table begins where the default budget of authentic chains ends: a stretch is named no more lightly than a whole
    clip is.
    """
    reals = [item for item in scored if not item.clip.is_fake]
    weights = origin_weights([_whole(item) for item in reals])
    ratios = np.array([block["slope"] * pool_whole(item.logits) + block["intercept"] for item in reals])
    found = [
        contrast.clarity for contrast in _leaning(authentic_chains(reals, seed=seed), block) if contrast is not None
    ]
    clarity = np.sort(np.array(found)) if found else np.zeros(1)
    share_leaning = len(found) / CHAINS
    rows: list[dict[str, float]] = []
    by_budget = {row["max_false_positive_rate"]: row["synthetic_llr"] for row in block["thresholds"]}
    for rate in NAMED_RATES:
        reached = float(np.quantile(clarity, 1 - min(1.0, rate / max(share_leaning, rate)), method="higher"))
        ratio = max(by_budget.get(rate, 0.0), weighted_quantile(ratios, weights, 1 - rate))
        previous = rows[-1] if rows else {"clarity": 0.0, "llr": -np.inf}
        row = {
            "clarity": round(max(reached, previous["clarity"] + 0.05), 4),
            "llr": round(min(float(block["cap"]), max(ratio, previous["llr"] + 0.01)), 4),
        }
        rows.append(row)
    return rows


def _leaning(chains: Iterator[tuple[Float64Array, Float64Array]], block: dict[str, Any]) -> Iterator[Contrast | None]:
    """Yield the strongest stretch of each chain when its inside leans towards synthetic; see `FrameExaminer`."""
    frame = block["frame"]
    for times, logits in chains:
        contrast = find_contrast(times, logits, neutral=-frame["intercept"] / frame["slope"])
        yield contrast if contrast is not None and leans(contrast, frame) else None


def leans(contrast: Contrast, frame: Mapping[str, float]) -> bool:
    """Return whether the inside of a stretch speaks for synthetic, by the `frame` line of the calibration."""
    return frame["slope"] * contrast.inside + frame["intercept"] > 0


def authentic_chains(reals: Sequence[ClipScores], *, seed: int) -> Iterator[tuple[Float64Array, Float64Array]]:
    """Yield (times, logits) of made authentic clips: one scene, or scenes of 3-40 s of several sources in a row."""
    rng = np.random.default_rng(seed)
    by_origin: dict[str, list[ClipScores]] = defaultdict(list)
    for item in reals:
        by_origin[item.clip.origin].append(item)
    names = sorted(by_origin)
    for number in range(CHAINS):
        length = int(CHAIN_LENGTHS_S[number % len(CHAIN_LENGTHS_S)])
        count = min(96, length)
        times = (np.arange(count) + 0.5) * length / count
        is_one_scene = rng.random() < 0.3

        def draw(count: int = count, length: int = length, is_one_scene: bool = is_one_scene) -> Scene:
            clips = by_origin[names[rng.integers(len(names))]]
            clip = clips[rng.integers(len(clips))]
            return clip.logits, count if is_one_scene else max(2, int(rng.uniform(3, 40) * count / length))

        yield times, join_scenes(draw, count, rng)


def join_scenes(draw: Callable[[], Scene], count: int, rng: np.random.Generator) -> Float64Array:
    """Return `count` logits of scenes in a row; `draw` gives the logits of a scene and how many samples it lasts."""
    logits = np.empty(count)
    filled = 0
    while filled < count:
        scene, samples = draw()
        part = min(samples, count - filled)
        logits[filled : filled + part] = rng.choice(scene, part)
        filled += part
    return logits


def made_inserts(
    scored: Sequence[ClipScores], block: Mapping[str, Any], *, seconds: int = 3, cases: int = 600, seed: int
) -> dict[str, float]:
    """Return how often made inserts are placed rightly, and named as well, in one scene and among scenes that change.

    Each case is a minute of held-out authentic frames, one a second, with `seconds` of a held-out generated clip in it.
    Rightly = the strongest stretch overlaps the insert by half of their union; named = it also counts.
    """
    scenes = [item.logits for item in scored if not item.clip.is_fake]
    fakes = [item.logits for item in scored if item.clip.is_fake]
    frame, table = block["frame"], ContrastTable.from_config(block["contrast"])
    neutral = -frame["intercept"] / frame["slope"]
    rng = np.random.default_rng(seed)
    minute = np.arange(60, dtype=np.float64) + 0.5
    shares: dict[str, float] = {}
    for name, is_one_scene in (("one_scene", True), ("scenes", False)):

        def draw(is_one_scene: bool = is_one_scene) -> Scene:
            samples = 60 if is_one_scene else int(rng.integers(3, 40))
            return scenes[rng.integers(len(scenes))], samples

        placed = named = 0
        for _ in range(cases):
            logits = join_scenes(draw, 60, rng)
            start = int(rng.integers(3, 57 - seconds))
            logits[start : start + seconds] = rng.choice(fakes[rng.integers(len(fakes))], seconds)
            found = find_contrast(minute, logits, neutral=neutral)
            if found is None:
                continue
            if shared_part((found.start_s, found.end_s), (start, start + seconds)) < 0.5:
                continue
            placed += 1
            named += leans(found, frame) and bool(np.isfinite(table.to_llr(found.clarity)))
        shares |= {f"placed_in_{name}": round(placed / cases, 3), f"named_in_{name}": round(named / cases, 3)}
    return shares


def _whole(item: ClipScores) -> HeldOutScore:
    return HeldOutScore(item.clip.is_fake, item.clip.origin, item.clip.delivery, pool_whole(item.logits))


def save_scores(scored: Sequence[ClipScores], path: Path) -> None:
    """Write one line a delivered clip: origin, label, delivery and logits."""
    lines = [
        json.dumps(
            {
                "origin": item.clip.origin,
                "is_fake": item.clip.is_fake,
                "delivery": item.clip.delivery,
                "logits": [round(float(value), 4) for value in item.logits],
            }
        )
        for item in scored
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")

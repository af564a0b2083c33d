"""Which design hears generated speech best? All learn from the same crops and are judged on repositories left out.

    python benchmarks/speech_designs.py models/speech/recipe.toml --manifest collected.jsonl --work RUN
    python benchmarks/speech_designs.py ... --val ../shared/data/manifest.jsonl

Designs: small heads on statistics of the signal, on layers of a frozen Whisper encoder, and on both (what ships); small
nets on a log spectrogram, a log mel spectrogram and the bare wave; and the plain mean of the logits of the heads and of
such nets. For each fold of repositories one of each is trained on the other folds. Figures pool the folds: crops after
random roads, and recordings as delivered. Intervals resample sources and generators, the differences from the heads on
the same draws. With `--val` every design, as the mean over the folds, judges the files of that split, once. Every stage
resumes.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from detect.bench.data.item import Label
from detect.bench.data.manifest import read_manifest
from detect.bench.metrics.bootstrap import Estimate, estimate, replicate_weights
from detect.bench.metrics.ranking import Ranked
from detect.evidence.activity import hear
from detect.evidence.speech import SpeechExaminer, refusal
from detect.evidence.windows import plan_windows, read_windows
from detect.media import open_source
from detect.media.audio import decode_audio
from detect.networks.audio.speech import STATISTICS, WINDOW_S, SpeechNet
from detect.networks.audio.speech_graph import load_speech_net
from detect.networks.zoo import find_model
from detect.training.speech.calibrate import CalibrationWindows, judged_keys, pick_clips
from detect.training.speech.clips import Clip, Int16Array
from detect.training.speech.crops import Crop
from detect.training.speech.features import FeatureStore, Waves, describe
from detect.training.speech.heads import apply_standardisation, standardisation, train_head, weigh
from detect.training.speech.recipe import Recipe, read_recipe
from detect.training.speech.run import fold_map, own_folds, prepare
from detect.training.speech.spectral import KINDS, score_spectral, train_spectral

Floats = npt.NDArray[np.float64]
Features = npt.NDArray[np.float32]
Logits = dict[str, Floats]
Row = dict[str, float]
logger = logging.getLogger(__name__)

HEADS = {"statistics": slice(0, STATISTICS), "whisper": slice(STATISTICS, None), "both": slice(None)}
REFERENCE = "both"

STEPS = {"spectrogram": 1000, "mel": 2000, "raw": 650}
"""Steps of each small net that cost about the same: five minutes of one quiet core in half precision."""


@dataclass(frozen=True)
class Head:
    """A head with the features that it looks at and their scale."""

    columns: slice
    mean: Features
    scale: Features
    net: nn.Sequential

    def score(self, raw: Features) -> Floats:
        """Return one logit a row of raw features."""
        ready = apply_standardisation(raw[:, self.columns], self.mean, self.scale)
        with torch.inference_mode():
            return np.asarray(self.net(torch.from_numpy(ready))[:, 0].double().numpy())


@dataclass(frozen=True)
class Data:
    """What all designs learn from and are judged on.

    Attributes:
        listener: Describes windows; its heads are not used.
        crops: Crops after random roads, with `samples` and raw `features` in the same order.
        windows: Windows of recordings as delivered, with raw features `clean`.
        folds: The fold of each repository.
        trusted: Keys of clips whose label is not in doubt.
        judged: Keys of those that are long enough to be judged.
    """

    listener: SpeechNet
    crops: list[Crop]
    samples: Int16Array
    features: Features
    windows: CalibrationWindows
    clean: Features
    folds: Mapping[str, int]
    trusted: Set[str]
    judged: Set[str]


@dataclass(frozen=True)
class Judged:
    """One crop or recording: 0 = real or 1 = generated, its source or generator, and the logit of each design."""

    label: int
    origin: str
    logits: Row


class Designs:
    """All designs of one fold: trained where the run folder does not hold them, ready to score windows."""

    def __init__(self, listener: SpeechNet, heads: Mapping[str, Head], nets: Mapping[str, nn.Module]) -> None:
        self._listener = listener
        self._heads = heads
        self._nets = nets

    def score(self, waves: Waves, raw: Features, rows: Sequence[int]) -> Logits:
        """Return the logits of each design for some rows of windows whose features are `raw`."""
        logits = {name: head.score(raw[list(rows)]) for name, head in self._heads.items()}
        for name, net in self._nets.items():
            logits[name] = score_spectral(net, waves, rows, kind=name).astype(np.float64)
        return logits

    def hear(self, windows: Features) -> Logits:
        """Return the logits of each design for windows (windows, samples)."""
        with torch.inference_mode():
            raw = self._listener.describe(torch.from_numpy(windows)).numpy()
        waves = np.round(windows * 32767).astype(np.int16)
        return self.score(waves, raw, range(len(waves)))


def main() -> None:
    """Print the table, and write `designs.json` into the run folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--manifest", type=Path, action="append", default=[])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument(
        "--nets",
        nargs="*",
        type=read_net,
        default=list(STEPS.items()),
        metavar="KIND=STEPS",
        help="Small nets to train.",
    )
    parser.add_argument("--folds", nargs="*", type=int, help="Folds that are left out in turn; default: all.")
    parser.add_argument("--bfloat16", action="store_true", help="Train the small nets in half precision.")
    parser.add_argument("--val", type=Path, help="Manifest whose `val` recordings are judged too.")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    recipe = read_recipe(args.recipe)
    if args.manifest:
        manifests = tuple(str(path.resolve()) for path in args.manifest)
        recipe = replace(recipe, data=replace(recipe.data, manifests=manifests))
    folds = args.folds if args.folds is not None else list(range(recipe.data.folds))
    result, designs = compare(recipe, args.work, nets=dict(args.nets), folds=folds, half=args.bfloat16)
    if args.val:
        result["val"] = judge_val(designs, args.val)
    (args.work / "designs.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    for part in ("crops", "recordings", "val"):
        if part in result:
            print(as_table(part, result[part]))


def read_net(text: str) -> tuple[str, int]:
    """Return kind and steps of `KIND=STEPS`, or of a kind alone with its usual steps."""
    kind, _, steps = text.partition("=")
    if kind not in KINDS:
        raise argparse.ArgumentTypeError(f"{kind!r} is not one of {', '.join(KINDS)}")
    return kind, int(steps or STEPS[kind])


def compare(
    recipe: Recipe, work: Path, *, nets: Mapping[str, int], folds: Sequence[int], half: bool = False
) -> tuple[dict[str, Any], list[Designs]]:
    """Train every design without each fold and return its figures on the folds left out, and the designs."""
    data = load_data(recipe, work)
    made: list[Designs] = []
    crops: list[Judged] = []
    recordings: list[Judged] = []
    for fold in folds:
        made.append(train_designs(data, recipe, work, fold=fold, steps=nets, half=half))
        crops += judge_crops(data, made[-1], fold)
        recordings += judge_recordings(data, made[-1], fold)
    facts = {"crops_cut": len(data.crops), "repositories": len(data.folds), "folds": list(folds), "steps": dict(nets)}
    plan = {"batch": recipe.spectral.batch, "half": half}
    return {**facts, **plan, "crops": measure(crops), "recordings": measure(recordings)}, made


def load_data(recipe: Recipe, work: Path) -> Data:
    """Decode, cut and describe what the recipe names, or take it from the run folder."""
    clip_store, crop_store = prepare(recipe, work)
    clips, listener = clip_store.clips(), load_speech_net(find_model("speech"))
    windows = CalibrationWindows(pick_clips(clips, recipe.calibration), clip_store.samples())
    features = FeatureStore(work / "features", listener.mean.numel())
    clean = FeatureStore(work / "calibration", listener.mean.numel())
    describe(listener, crop_store.samples(), features)
    describe(listener, windows, clean)
    trusted = [clip for clip in clips if clip.system not in recipe.data.left_out]
    return Data(
        listener=listener,
        crops=crop_store.crops(),
        samples=crop_store.samples(),
        features=features.load(),
        windows=windows,
        clean=clean.load(),
        folds=fold_map(crop_store, recipe.data.folds),
        trusted=frozenset(clip.key for clip in trusted),
        judged=judged_keys(trusted),
    )


def train_designs(
    data: Data, recipe: Recipe, work: Path, *, fold: int, steps: Mapping[str, int], half: bool
) -> Designs:
    """Return every design, trained on the crops of all folds but one."""
    own = own_folds(data.crops, data.folds, data.trusted)
    learnt = np.flatnonzero((own != fold) & (own >= 0))
    labels = np.array([float(data.crops[int(i)].label) for i in learnt], np.float32)
    weights = weigh([data.crops[int(i)] for i in learnt])
    heads = {
        name: fit_head(data.features[learnt], columns, labels, weights, recipe, seed=recipe.head.seed + fold)
        for name, columns in HEADS.items()
    }
    nets = {
        kind: train_spectral(
            data.samples,
            learnt,
            labels,
            weights,
            replace(recipe.spectral, steps=count),
            seed=recipe.spectral.seed + fold,
            checkpoint=work / "nets" / f"{kind}-{count}-{fold}.pt",
            kind=kind,
            half=half,
        )
        for kind, count in steps.items()
    }
    return Designs(data.listener, heads, nets)


def judge_crops(data: Data, designs: Designs, fold: int) -> list[Judged]:
    """Return what the designs say of the crops of the fold that they never heard, rebuilt copies left out."""
    held = [
        i
        for i, crop in enumerate(data.crops)
        if not crop.copier and crop.key in data.judged and data.folds[crop.repo] == fold
    ]
    rows = rows_of(designs.score(data.samples, data.features, held))
    return [Judged(data.crops[i].label, data.crops[i].system, row) for i, row in zip(held, rows, strict=True)]


def judge_recordings(data: Data, designs: Designs, fold: int) -> list[Judged]:
    """Return what the designs say of whole recordings of that fold, as delivered: the mean over up to three windows."""
    held = [
        i
        for i, (clip, _) in enumerate(data.windows.places)
        if clip.key in data.judged and data.folds.get(clip.repo) == fold
    ]
    by_clip: dict[Clip, list[Row]] = defaultdict(list)
    for i, row in zip(held, rows_of(designs.score(data.windows, data.clean, held)), strict=True):
        by_clip[data.windows.places[i][0]].append(row)
    return [Judged(clip.label, clip.system, mean_of(rows)) for clip, rows in by_clip.items()]


def fit_head(
    raw: Features,
    columns: slice,
    labels: Features,
    weights: Features,
    recipe: Recipe,
    *,
    seed: int,
) -> Head:
    """Train one head on some columns of the raw features."""
    mean, scale = standardisation(raw[:, columns])
    ready = torch.from_numpy(apply_standardisation(raw[:, columns], mean, scale))
    net = train_head(ready, torch.from_numpy(labels), torch.from_numpy(weights), recipe.head, seed=seed)
    return Head(columns, mean, scale, net)


def rows_of(logits: Logits) -> list[Row]:
    """Return the logits of each window by design, with the means of the heads and one net, and of all."""
    nets = [name for name in logits if name in KINDS]
    mixes = [[REFERENCE, name] for name in nets] + ([[REFERENCE, *nets]] if len(nets) > 1 else [])
    mixed = {" + ".join(names): np.mean([logits[name] for name in names], axis=0) for names in mixes}
    everything = {**logits, **mixed}
    return [dict(zip(everything, map(float, values), strict=True)) for values in zip(*everything.values(), strict=True)]


def mean_of(rows: Sequence[Row]) -> Row:
    """Return the mean of each design over the windows of a recording, or over folds."""
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def measure(found: Sequence[Judged]) -> dict[str, Any]:
    """Return AUC and EER of each design, and how its AUC differs from that of the reference, with 95 % intervals."""
    is_fake = np.array([bool(item.label) for item in found])
    origins = [item.origin for item in found]
    ranked = {name: Ranked(is_fake, np.array([item.logits[name] for item in found])) for name in found[0].logits}

    def metrics(weights: Floats) -> dict[str, float]:
        curves = {name: ranking.roc(weights) for name, ranking in ranked.items()}
        values = {f"{name}/auc": curve.auroc for name, curve in curves.items()}
        values |= {f"{name}/eer": curve.eer for name, curve in curves.items()}
        reference = curves[REFERENCE].auroc
        return values | {f"{name}/gain": curve.auroc - reference for name, curve in curves.items()}

    spread = estimate(metrics, replicate_weights(is_fake, origins))
    designs: dict[str, dict[str, list[float | None]]] = defaultdict(dict)
    for key, value in spread.items():
        name, _, metric = key.rpartition("/")
        designs[name][metric] = as_list(value)
    sources = {label: len({o for o, fake in zip(origins, is_fake, strict=True) if fake == label}) for label in (0, 1)}
    return {
        "real": int((~is_fake).sum()),
        "fake": int(is_fake.sum()),
        "real_sources": sources[0],
        "generators": sources[1],
        "designs": dict(designs),
    }


def as_list(value: Estimate) -> list[float | None]:
    """Return value, low and high, rounded."""
    return [None if number is None else round(number, 4) for number in (value.value, value.low, value.high)]


def judge_val(designs: Sequence[Designs], manifest: Path) -> dict[str, Any]:
    """Judge the `val` recordings of a manifest that are on this machine with the mean of each design over its folds."""
    gate = SpeechExaminer.load(device="cpu")
    found = []
    for item in read_manifest(manifest, kinds=("audio",), splits=("val",)).items:
        with open_source(item.file) as source:
            audio = decode_audio(source)
        activity = hear(audio, gate.scorer.activity)
        if refusal(activity) is not None:
            continue
        windows = plan_windows(activity.speech, audio.duration_s, window_s=WINDOW_S)
        rows = [
            row
            for batch in read_windows(audio, windows, window_s=WINDOW_S)
            for design in designs
            for row in rows_of(design.hear(batch))
        ]
        found.append(Judged(int(item.label is not Label.REAL), item.origin, mean_of(rows)))
    return measure(found)


def as_table(title: str, part: Mapping[str, Any]) -> str:
    """Return the figures of one set of recordings as a Markdown table."""
    counts = f"{part['real']} real of {part['real_sources']} sources, {part['fake']} generated of {part['generators']}"
    lines = [
        f"{title}: {counts} generators",
        "",
        "| design | AUC | EER | AUC against `both` |",
        "| --- | --- | --- | --- |",
    ]
    for name, figures in part["designs"].items():
        cells = [
            f"{value[0]:.3f} [{value[1]:.3f}, {value[2]:.3f}]" if value[1] is not None else f"{value[0]:.3f}"
            for value in (figures["auc"], figures["eer"], figures["gain"])
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()

"""Fit the last layer of a patch net for frames of clips, on features of crops that went through video encoders.

Why only the last layer: some fifteen sources of real clips are too few to teach a whole network what cameras do, and
what the picture model learnt on thousands of pictures holds for frames once they are weighed anew. It also makes the
fit a matter of minutes when the picture model's weights change.

The new head is the picture model's own head, scaled, plus a correction kept small by a ridge penalty, whose strength is
chosen by leaving out whole generators and sources.
"""

from __future__ import annotations

import io
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from detect.networks.image.patch_net import PatchNet
from detect.training.video.batches import FrameStream
from detect.types import UInt8Array

log = logging.getLogger(__name__)

Float64Array = npt.NDArray[np.float64]

STRENGTHS = (0.0, 3e-4, 1e-3, 3e-3)
"""Inverse ridge penalties tried for the correction; 0 keeps the picture model's head and only rescales it."""

FOLDS = 5


@dataclass(frozen=True)
class DrawnCrops:
    """Crops after their passage: (N, side, side, 3) uint8, labels (N,), and the generator or source of each."""

    pixels: UInt8Array
    labels: npt.NDArray[np.bool_]
    names: tuple[str, ...]


def draw_crops(stream: FrameStream, folder: Path, *, count: int) -> DrawnCrops:
    """Draw crops from the stream once and keep them in `folder`; they do not depend on any network."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels_file, facts_file = folder / "drawn.npy", folder / "drawn.json"
    if not facts_file.exists():
        side, batch = stream.plan.side, stream.plan.batch
        steps = -(-count // batch)
        kept = np.lib.format.open_memmap(pixels_file, mode="w+", dtype=np.uint8, shape=(steps * batch, side, side, 3))
        labels: list[bool] = []
        names: list[str] = []
        for step in range(steps):
            crops, truth, origins = stream.draw_named(step)
            kept[step * batch : (step + 1) * batch] = crops
            labels += [bool(value) for value in truth]
            names += origins
            if step % 50 == 0:
                log.info("crops: %d of %d", step * batch, steps * batch)
        kept.flush()
        facts_file.write_text(json.dumps({"labels": labels, "names": names}))
    facts = json.loads(facts_file.read_text())
    return DrawnCrops(np.load(pixels_file, mmap_mode="r"), np.array(facts["labels"], bool), tuple(facts["names"]))


def features_of(network: PatchNet, crops: UInt8Array) -> Float64Array:
    """Return the mean feature of every crop, (N, channels), through ONNX Runtime."""
    import onnxruntime

    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = network.eval()

        def forward(self, patches: torch.Tensor) -> torch.Tensor:
            return self.net._features(patches).mean(dim=(2, 3))

    sink = io.BytesIO()
    side = crops.shape[1]
    torch.onnx.export(
        Mean(),
        (torch.zeros(1, 3, side, side),),
        sink,  # type: ignore[arg-type]
        dynamo=False,
        opset_version=17,
        input_names=["patches"],
        output_names=["features"],
        dynamic_axes={"patches": {0: "n"}, "features": {0: "n"}},
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session: Any = onnxruntime.InferenceSession(sink.getvalue(), options, providers=["CPUExecutionProvider"])
    rows = []
    for start in range(0, len(crops), 4):
        block = crops[start : start + 4].astype(np.float32).transpose(0, 3, 1, 2) / 127.5 - 1
        rows.append(session.run(None, {"patches": np.ascontiguousarray(block, np.float32)})[0])
    return np.concatenate(rows).astype(np.float64)


def fit_head(network: PatchNet, crops: DrawnCrops, *, seed: int, kept: Path) -> dict[str, Any]:
    """Replace the head of the network in place and return what was chosen, JSON-ready; `kept` holds the features."""
    if not kept.exists():
        np.save(kept, features_of(network, crops.pixels).astype(np.float32))
    features = np.load(kept).astype(np.float64)
    weight = network.head.weight.detach().numpy()[0].astype(np.float64)
    bias = float(network.head.bias.detach().numpy()[0])
    before = features @ weight + bias
    tried = {strength: cross_validate(features, before, crops, strength, seed=seed) for strength in STRENGTHS}
    best = max(tried, key=lambda strength: tried[strength])
    scale, correction, offset = solve(features, before, crops, best, chosen=np.ones(len(before), bool))
    with torch.no_grad():
        network.head.weight[0] = torch.from_numpy(scale * weight + correction)
        network.head.bias[0] = scale * bias + offset
    return {
        "crops": len(before),
        "auc_picture_head": round(auc(before, crops), 4),
        "auc_left_out": {f"{strength:g}": round(value, 4) for strength, value in tried.items()},
        "chosen": best,
        "scale": round(scale, 4),
    }


def cross_validate(
    features: Float64Array, before: Float64Array, crops: DrawnCrops, strength: float, *, seed: int
) -> float:
    """Return the mean AUC on frames of clips whose generators and sources the fit did not see."""
    names = sorted(set(crops.names))
    rng = np.random.default_rng(seed)
    fold_of = {
        name: number % FOLDS
        for label in (False, True)
        for number, name in enumerate(rng.permutation([n for n in names if _label_of(n, crops) == label]).tolist())
    }
    fold = np.array([fold_of[name] for name in crops.names])
    of_clips = np.array([name.startswith("clip:") for name in crops.names])
    values = []
    for number in range(FOLDS):
        inside = (fold == number) & of_clips
        if len(set(crops.labels[inside].tolist())) < 2:
            continue
        scale, correction, offset = solve(features, before, crops, strength, chosen=fold != number)
        logits = scale * before + features @ correction + offset
        values.append(auc(logits, crops, chosen=inside))
    return float(np.mean(values))


def solve(
    features: Float64Array, before: Float64Array, crops: DrawnCrops, strength: float, *, chosen: npt.NDArray[np.bool_]
) -> tuple[float, Float64Array, float]:
    """Return (scale of the old logit, correction per channel, offset) of a ridge logistic regression."""
    from sklearn.linear_model import LogisticRegression

    middle, spread = features[chosen].mean(axis=0), features[chosen].std(axis=0) + 1e-6
    old_middle, old_spread = float(before[chosen].mean()), float(before[chosen].std() + 1e-6)
    # The old logit is hardly penalised (a column of weight 100), its correction by `strength`.
    old = 100.0 * (before - old_middle) / old_spread
    columns = [old[:, None]] if strength == 0 else [old[:, None], (features - middle) / spread]
    table = np.concatenate(columns, axis=1)
    model = LogisticRegression(C=strength or 1.0, max_iter=300)
    model.fit(table[chosen], crops.labels[chosen], sample_weight=name_weights(crops, chosen)[chosen])
    scale = float(model.coef_[0, 0]) * 100.0 / old_spread
    correction = np.zeros(features.shape[1]) if strength == 0 else model.coef_[0, 1:] / spread
    offset = float(model.intercept_[0]) - scale * old_middle - float(correction @ middle) * (strength != 0)
    return scale, correction, offset


def name_weights(crops: DrawnCrops, chosen: npt.NDArray[np.bool_]) -> Float64Array:
    """Return weights by the root of each name's share, both labels alike; their mean is 1 over what is chosen."""
    weights = np.zeros(len(crops.labels))
    names = np.array(crops.names)
    for label in (False, True):
        of_label = chosen & (crops.labels == label)
        for name in set(names[of_label].tolist()):
            inside = of_label & (names == name)
            weights[inside] = inside.sum() ** -0.5
        weights[of_label] /= weights[of_label].sum()
    scaled: Float64Array = weights * (chosen.sum() / 2)
    return scaled


def auc(logits: Float64Array, crops: DrawnCrops, *, chosen: npt.NDArray[np.bool_] | None = None) -> float:
    """Return the area under the curve with every name weighted by the root of its share."""
    from sklearn.metrics import roc_auc_score

    inside = np.ones(len(logits), bool) if chosen is None else chosen
    return float(roc_auc_score(crops.labels[inside], logits[inside], sample_weight=name_weights(crops, inside)[inside]))


def _label_of(name: str, crops: DrawnCrops) -> bool:
    return bool(crops.labels[crops.names.index(name)])

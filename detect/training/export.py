"""Write a trained model as an ONNX graph, and check that the graph says what the network says."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detect.errors import ModelError
from detect.fusion import Calibration, sigmoid
from detect.networks.graphs import export_folder
from detect.networks.zoo import ModelFolder

GRAPH_NAME = "model.onnx"
MAX_DIFFERENCE = 1e-3
"""Largest accepted difference in authenticity between a graph and its network."""
_SIDES = ((224, 224), (64, 64), (97, 224), (161, 173), (256, 256))


@dataclass(frozen=True)
class Exported:
    """What was written, and how far it is from the network.

    Attributes:
        graph: The file.
        difference: Largest |difference| in authenticity over the probes.
        probes: How many inputs were compared.
    """

    graph: Path
    difference: float
    probes: int


def export_model(folder: ModelFolder, out: Path) -> Exported:
    """Write `model.onnx` and the model's config into a folder.

    Raises:
        ModelError: The graph differs from the network by more than `MAX_DIFFERENCE`; nothing is written.
        WeightsMismatchError: The weights are not those that the config names.
    """
    folder.verify()
    graph = export_folder(folder)
    difference, probes = compare_with_torch(folder, graph)
    if not difference <= MAX_DIFFERENCE:
        raise ModelError(
            f"the graph of {folder.name} differs from the network by {difference:.2g} in authenticity; "
            f"at most {MAX_DIFFERENCE:g} is accepted"
        )
    out.mkdir(parents=True, exist_ok=True)
    path = out / GRAPH_NAME
    path.write_bytes(graph)
    shutil.copy(folder.path / "config.json", out / "config.json")
    return Exported(path, difference, probes)


def compare_with_torch(folder: ModelFolder, graph: bytes) -> tuple[float, int]:
    """Return the largest |difference| in authenticity between a graph and torch, and the number of probes."""
    calibration = Calibration.from_config(folder.config["calibration"])
    pairs = list(_speech_logits(folder, graph) if folder.config["kind"] == "speech" else _patch_logits(folder, graph))
    # A calibrated llr is capped; beyond the cap differences vanish, so the slope alone is applied as well.
    differences = [
        max(
            abs(sigmoid(-calibration.llr(ours)) - sigmoid(-calibration.llr(theirs))),
            abs(sigmoid(-ours) - sigmoid(-theirs)),
        )
        for ours, theirs in pairs
    ]
    return max(differences), len(pairs)


def _patch_logits(folder: ModelFolder, graph: bytes) -> Iterator[tuple[float, float]]:
    from detect.networks.image.onnx_runner import OnnxRunner
    from detect.networks.image.patch_scorer import PatchScorer

    ours = PatchScorer(OnnxRunner(graph))
    theirs = PatchScorer.from_folder(folder, device="cpu", runner="torch")
    rng = np.random.default_rng(0)
    patches = []
    for number in range(20):
        height, width = _SIDES[number % len(_SIDES)]
        noise = rng.normal(0, 4 + 3 * number, (height, width, 3))
        ramp = np.linspace(0, 255, width)[None, :, None] * rng.uniform(0.2, 1.0, 3)
        patches.append((ramp + noise).clip(0, 255).astype(np.uint8))
    for mine, other in zip(ours.score(patches), theirs.score(patches), strict=True):
        yield float(mine.mean()), float(other.mean())


def _speech_logits(folder: ModelFolder, graph: bytes) -> Iterator[tuple[float, float]]:
    import torch

    from detect.networks.audio.speech_graph import load_speech_net
    from detect.networks.graphs import open_session

    spec = folder.config["input"]
    rate = int(spec["sample_rate_hz"])
    moments = np.arange(int(float(spec["window_s"]) * rate)) / rate
    rng = np.random.default_rng(0)
    net, session = load_speech_net(folder), open_session(graph)
    for number in range(8):
        tone = np.sign(np.sin(2 * np.pi * (80 + 25 * number + 15 * np.sin(4 * moments)) * moments))
        wave = 0.3 * tone * np.abs(np.sin((1 + number) * moments)) + 0.02 * rng.standard_normal(len(moments))
        window = wave.astype(np.float32)[None]
        with torch.inference_mode():
            theirs = float(net(torch.from_numpy(window))[0])
        yield float(session.run(None, {"window": window})[0][0]), theirs


def write_model_with_graph(folder: ModelFolder, out: Path, graph: bytes, facts: dict[str, object]) -> None:
    """Write a model folder that runs `graph` instead of the one made from its weights.

    The config names the graph and its hash, so that Reports and fingerprints tell the two apart.
    """
    shutil.copytree(folder.path, out, dirs_exist_ok=True)
    (out / GRAPH_NAME).write_bytes(graph)
    config = dict(folder.config)
    config["graph"] = {"file": GRAPH_NAME, "sha256": hashlib.sha256(graph).hexdigest(), **facts}
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

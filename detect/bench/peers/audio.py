"""Peers that judge speech: raw-waveform nets at 16 kHz, trained on ASVspoof."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from detect.bench.detectors.base import Prediction
from detect.bench.peers.base import PEERS, Judge, Peer, import_file, load_net, needed
from detect.bench.perturb.sound import Waveform, read_mono

RATE_HZ = 16_000
ASVSPOOF_SAMPLES = 64_600  # AASIST and RawGAT-ST judge the first 4.04 s
TSSDNET_SAMPLES = 96_000  # Inc-TSSDNet: 6 s; its last pooling fits no other length

# model_config of config/AASIST.conf and AASIST-L.conf in clovaai/aasist
_AASIST = {
    "architecture": "AASIST",
    "nb_samp": ASVSPOOF_SAMPLES,
    "first_conv": 128,
    "filts": [70, [1, 32], [32, 32], [32, 64], [64, 64]],
    "gat_dims": [64, 32],
    "pool_ratios": [0.5, 0.7, 0.5, 0.5],
    "temperatures": [2.0, 2.0, 100.0, 100.0],
}


def fit_length(waveform: Waveform, samples: int) -> Waveform:
    """Return the first `samples`; shorter sound is repeated, as all four repositories do."""
    if len(waveform) >= samples:
        return waveform[:samples]
    return np.tile(waveform, samples // len(waveform) + 1)[:samples]


def _judge_two_logits(
    forward: Callable[[Any], Any], *, samples: int, spoof: int, device: str, add_channel: bool = False
) -> Judge:
    """Return the judge of a net with two logits; the score is their difference, the log-odds of the softmax."""
    import torch

    def judge(path: Path) -> Prediction:
        waveform, _ = read_mono(path, rate_hz=RATE_HZ)
        x = torch.from_numpy(fit_length(waveform, samples))[None].to(device)
        with torch.inference_mode():
            logits = forward(x[:, None] if add_channel else x)[0].double().cpu()
        return Prediction.of_llr(float(logits[spoof] - logits[1 - spoof]))

    return judge


def _load_aasist(config_file: str, module: str) -> Callable[[Path, Path | None, str], Judge]:
    def build(weights: Path, code: Path | None, device: str) -> Judge:
        config = needed(code) / config_file
        settings = json.loads(config.read_text())["model_config"] if config.is_file() else _AASIST
        net = load_net(import_file(needed(code) / module).Model(settings), weights, device)
        return _judge_two_logits(lambda x: net(x)[1], samples=ASVSPOOF_SAMPLES, spoof=0, device=device)

    return build


def build_rawgat(weights: Path, code: Path | None, device: str) -> Judge:
    """Load RawGAT-ST (multiplicative fusion) with the settings of its `model_config_RawGAT_ST.yaml`."""
    settings = {
        "nb_samp": ASVSPOOF_SAMPLES,
        "out_channels": 70,
        "first_conv": 128,
        "in_channels": 1,
        "filts": [32, [32, 32], [32, 64], [64, 64]],
        "blocks": [2, 4],
        "nb_classes": 2,
    }
    net = load_net(import_file(needed(code) / "model.py").RawGAT_ST(settings, device), weights, device)
    return _judge_two_logits(lambda x: net(x, Freq_aug=False), samples=ASVSPOOF_SAMPLES, spoof=0, device=device)


def build_tssdnet(weights: Path, code: Path | None, device: str) -> Judge:
    """Load Inc-TSSDNet; class 1 is spoof (`label_encode` of its data.py)."""
    net = load_net(import_file(needed(code) / "models.py").DilatedNet(), weights, device, key="model_state_dict")
    return _judge_two_logits(net, samples=TSSDNET_SAMPLES, spoof=1, device=device, add_channel=True)


_FIRST = "first 64,600 samples at 16 kHz (shorter ones repeated), class 1 = bona fide"
for _peer in (
    Peer(
        name="aasist",
        media="audio",
        weights="aasist/AASIST.pth",
        repository="clovaai/aasist",
        folder="aasist",
        licence="MIT",
        about=_FIRST,
        build=_load_aasist("config/AASIST.conf", "models/AASIST.py"),
    ),
    Peer(
        name="aasist-l",
        media="audio",
        weights="aasist/AASIST-L.pth",
        repository="clovaai/aasist",
        folder="aasist",
        licence="MIT",
        about=_FIRST,
        build=_load_aasist("config/AASIST-L.conf", "models/AASIST.py"),
    ),
    Peer(
        name="aasist-asvspoof5",
        media="audio",
        weights="aasist_asvspoof5/best.pth",
        repository="asvspoof-challenge/asvspoof5",
        folder="aasist_asvspoof5",
        licence="MIT",
        about=_FIRST,
        build=_load_aasist("Baseline-AASIST/config/AASIST_ASVspoof5.conf", "Baseline-AASIST/models/AASIST.py"),
    ),
    Peer(
        name="rawgat-st",
        media="audio",
        weights="rawgat_st/RawGAT_ST_mul.pth",
        repository="eurecom-asp/RawGAT-ST-antispoofing",
        folder="rawgat_st",
        licence="MIT",
        about=_FIRST,
        build=build_rawgat,
    ),
    Peer(
        name="inc-tssdnet",
        media="audio",
        weights="inc_tssdnet/Inc_TSSDNet.pth",
        repository="ghua-ac/end-to-end-synthetic-speech-detection",
        folder="inc_tssdnet",
        licence="GPL-3.0",
        about="first 96,000 samples at 16 kHz (shorter ones repeated), class 1 = spoof",
        build=build_tssdnet,
    ),
):
    PEERS.add(_peer.name, _peer)

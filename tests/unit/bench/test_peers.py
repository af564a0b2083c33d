"""Published detectors: wired by folder, refused with a sentence that says what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from detect.bench.peers import find_peers, load_peer
from detect.bench.peers.base import list_peers
from detect.errors import ConfigError

SHARED = Path(__file__).resolve().parents[4] / "shared" / "peers"

# A checkout as the adapter expects it, with nets that a test can predict.
FERRET = """
import torch
class Ferret(torch.nn.Module):
    def __init__(self, channels, classes, dim, depths, function, window, functions):
        super().__init__()
        assert (channels, classes, dim, depths, function, window) == (3, 1, 32, [2, 2], "median", 3)
        self.gain = torch.nn.Parameter(torch.zeros(1))
    def forward(self, x):
        assert x.shape == (1, 3, 256, 256), x.shape
        return self.gain * x.mean().reshape(1, 1)
"""
TSSDNET = """
import torch
class DilatedNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.zeros(1))
    def forward(self, x):
        assert x.shape == (1, 1, 96000), x.shape
        spoof = self.gain * x.abs().mean()
        return torch.stack([-spoof, spoof], dim=1)
"""


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Weights and checkouts of two stand-in peers."""
    weights, code = tmp_path / "peers", tmp_path / "code"
    for path, text in {
        "ferretnet/src/model/ferretnet.py": FERRET,
        "ferretnet/src/model/lpd.py": "def get_lpd_dict():\n    return {}\n",
        "inc_tssdnet/models.py": TSSDNET,
    }.items():
        (code / path).parent.mkdir(parents=True, exist_ok=True)
        (code / path).write_text(text)
    for name in ("ferretnet", "inc_tssdnet"):
        (weights / name).mkdir(parents=True)
    torch.save({"model": {"gain": torch.tensor([2.0])}}, weights / "ferretnet" / "ferretnet-s-median-3.pth")
    state = {"model_state_dict": {"gain": torch.tensor([5.0])}}
    torch.save(state, weights / "inc_tssdnet" / "Inc_TSSDNet.pth")
    return weights, code


def test_every_peer_says_licence_input_and_where_its_parts_lie() -> None:
    peers = list_peers()
    assert len({peer.name for peer in peers}) == len(peers) >= 12
    for peer in peers:
        assert peer.media in ("image", "face", "audio")
        assert peer.licence and peer.about and peer.repository.count("/") == 1 and "/" in peer.weights


def test_picture_peer_runs_from_its_checkout(folders: tuple[Path, Path], tmp_path: Path) -> None:
    for name, level in (("dark", 0), ("light", 255)):
        Image.new("RGB", (300, 200), (level,) * 3).save(tmp_path / f"{name}.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    peer = load_peer("ferretnet-s", peers_dir=folders[0], peers_code=folders[1])
    dark, light, bad = peer.predict_many([tmp_path / f"{name}.png" for name in ("dark", "light", "bad")])
    assert dark.score is not None and light.score is not None and dark.score < 0 < light.score
    assert bad.score is None and "UnidentifiedImageError" in bad.error


def test_sound_peer_gets_16_khz_of_the_right_length(folders: tuple[Path, Path], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full((24_000, 2), 0.5, np.float32), 24_000)
    (found,) = load_peer("inc-tssdnet", peers_dir=folders[0], peers_code=folders[1]).predict_many([tmp_path / "a.wav"])
    assert found.score == pytest.approx(5.0, rel=0.05)  # +2.5 for spoof, -2.5 for bona fide


def test_runnable_peers_are_those_with_weights_and_code(folders: tuple[Path, Path]) -> None:
    weights, code = folders
    assert find_peers("image", peers_dir=weights, peers_code=code) == ["ferretnet-s"]
    assert find_peers("audio", peers_dir=weights, peers_code=code) == ["inc-tssdnet"]
    assert find_peers("image", peers_dir=weights, peers_code=None) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [("aasist", "no weights at"), ("ferretnet", "did you mean 'ferretnet-s'")],
)
def test_missing_parts_are_named(folders: tuple[Path, Path], name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_peer(name, peers_dir=folders[0], peers_code=folders[1])
    with pytest.raises(ConfigError, match="checkout of xigua7105/FerretNet"):
        load_peer("ferretnet-s", peers_dir=folders[0], peers_code=None)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared/peers")
@pytest.mark.parametrize("name", ["meso4-df", "mesoinception-f2f"])
def test_mesonet_weights_load_into_our_port(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8))
    small.resize((300, 300), Image.Resampling.BICUBIC).save(tmp_path / "face.png")
    peer = load_peer(name, peers_dir=SHARED, peers_code=None)
    first, second = peer.predict_many([tmp_path / "face.png"] * 2)
    assert first.score == second.score is not None and abs(first.score) < 20 and not first.error

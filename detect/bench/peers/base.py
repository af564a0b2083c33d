"""The contract of a peer: which weights, whose code, how a file becomes a score.

Layout that the bench expects (both folders are the user's, outside this repository):

    PEERS/<folder>/<weights file>        weights, as published
    CODE/<folder>/...                    a checkout of the peer's repository

Code of a checkout is imported from its file, under a private name; checkpoints are read with `weights_only=True`.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from detect.bench.detectors.base import Prediction
from detect.errors import ConfigError
from detect.registry import Registry

Judge = Callable[[Path], Prediction]
Build = Callable[[Path, Path | None, str], Judge]
"""(weights file, folder of the checkout or None, torch device) -> the function that judges one file."""


@dataclass(frozen=True)
class Peer:
    """One published detector.

    Attributes:
        name: Word for tables.
        media: `image`, `face` (needs face crops: run only when asked by name) or `audio`.
        weights: Path below the peers' folder.
        repository: Where its code is published; its last part names nothing here, `folder` does.
        folder: Name of the checkout below the code folder.
        licence: Of the code and weights as their repository states it.
        about: Input and orientation, so that a reader can check the wiring.
        build: Loads it.
        needs_code: False when the net is written here and only weights are needed.
    """

    name: str
    media: str
    weights: str
    repository: str
    folder: str
    licence: str
    about: str
    build: Build
    needs_code: bool = True


PEERS: Registry[Peer] = Registry("peer")
_FAMILIES = ("detect.bench.peers.image", "detect.bench.peers.meso", "detect.bench.peers.audio")


@dataclass(frozen=True)
class PeerDetector:
    """A loaded peer as a detector."""

    name: str
    fingerprint: str
    judge: Judge

    def predict_many(self, paths: Sequence[Path]) -> Iterator[Prediction]:
        """Yield one prediction a path; whatever the peer's code raises becomes the row's `error`."""
        for path in paths:
            try:
                yield self.judge(path)
            except Exception as error:  # the border to foreign code: one bad file is a row
                yield Prediction(error=f"{type(error).__name__}: {error}"[:300])


def list_peers() -> list[Peer]:
    """Return all peers that the bench can wire, sorted by name."""
    for family in _FAMILIES:
        importlib.import_module(family)
    return [PEERS.get(name) for name in PEERS.list()]


def load_peer(name: str, *, peers_dir: Path | None, peers_code: Path | None, device: str = "cpu") -> PeerDetector:
    """Return a peer as a detector.

    Raises:
        ConfigError: Unknown name, weights or checkout missing; the message says what belongs where.
    """
    weights, code, fingerprint = find_parts(name, peers_dir=peers_dir, peers_code=peers_code)
    return PeerDetector(name=name, fingerprint=fingerprint, judge=PEERS.get(name).build(weights, code, device))


def find_parts(name: str, *, peers_dir: Path | None, peers_code: Path | None) -> tuple[Path, Path | None, str]:
    """Return a peer's weights, its checkout and its fingerprint; raises as `load_peer`."""
    list_peers()
    peer = PEERS.get(name)
    if peers_dir is None:
        raise ConfigError(f"peer {name} needs --peers, the folder that holds {peer.weights}")
    weights = peers_dir / peer.weights
    if not weights.is_file():
        raise ConfigError(f"peer {name}: no weights at {weights} (published in {peer.repository})")
    code = None if peers_code is None else peers_code / peer.folder
    if peer.needs_code and (code is None or not code.is_dir()):
        raise ConfigError(f"peer {name} needs a checkout of {peer.repository} at <--peers-code>/{peer.folder}")
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()[:16]
    return weights, code, f"peer {name} {digest}"


def find_peers(media: str, *, peers_dir: Path, peers_code: Path | None) -> list[str]:
    """Return the names of the peers for this medium whose weights and code are both there."""
    found = []
    for peer in list_peers():
        has_code = not peer.needs_code or (peers_code is not None and (peers_code / peer.folder).is_dir())
        if peer.media == media and (peers_dir / peer.weights).is_file() and has_code:
            found.append(peer.name)
    return found


def needed(code: Path | None) -> Path:
    """Return the checkout of a peer whose net is written there.

    Raises:
        ConfigError: There is none.
    """
    if code is None:
        raise ConfigError("this peer needs a checkout of its code")
    return code


def load_net(net: Any, weights: Path, device: str, *, key: str = "") -> Any:
    """Return the net with the published weights, ready to judge.

    Args:
        net: The untrained net.
        weights: A PyTorch checkpoint; pickled code in it is refused.
        device: Where it will run.
        key: Where the weights lie in the checkpoint, when they do not lie bare.
    """
    import torch

    state = torch.load(weights, map_location="cpu", weights_only=True)
    state = state.get(key, state) if key else state
    net.load_state_dict({name.removeprefix("module."): value for name, value in state.items()})
    return net.to(device).eval()


def import_file(path: Path) -> ModuleType:
    """Import a Python file of a checkout under a private name, once.

    Raises:
        ConfigError: The file is not there: another version of the repository, or another repository.
    """
    name = f"_witnessmark_peer_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path) if path.is_file() else None
    if spec is None or spec.loader is None:
        raise ConfigError(f"the checkout has no {path.name} at {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module

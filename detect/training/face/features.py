"""Measure stored faces with the first stages of a network: one row of statistics a face, kept between runs."""

from __future__ import annotations

import hashlib
import logging
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import nn

from detect.networks.face.align import cut_square
from detect.networks.face.region_net import RegionNet
from detect.networks.graphs import open_session
from detect.training.face.deliver import AS_FILMED, JPEG_50, LAUNDERED, Delivery, deliver, draw_delivery
from detect.training.face.pseudo import remake_face
from detect.training.face.store import StoredFace
from detect.training.scatter import Float64Array
from detect.training.statistics import export_statistics
from detect.types import UInt8Array

log = logging.getLogger(__name__)

DELIVERIES: dict[str, Delivery | None] = {
    "clean": AS_FILMED, "drawn": None, "laundered": LAUNDERED, "jpeg_50": JPEG_50
}  # fmt: skip
"""How faces arrive: as filmed; drawn anew for each face or pair; at 0.6 of the size through H.264; as JPEG 50."""


class FaceMeter:
    """Runs the statistics of a region net on one thread and keeps what it found in a folder."""

    def __init__(self, network: RegionNet, folder: Path, *, decoders: Mapping[str, nn.Module], seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.margin, self.decoders, self.seed = folder, network.margin, decoders, seed
        graph = export_statistics(network)
        self._digest = hashlib.sha256(graph)
        self._session: Any = open_session(graph, threads=1)
        self._width = network.head.in_features

    def measure(self, faces: Sequence[StoredFace], delivery: str, *, is_made: bool = False) -> Float64Array:
        """Return the statistics of faces under a delivery, (N, F); `is_made`: of their swap-like copies."""
        if not faces:
            return np.zeros((0, self._width))
        digest = self._digest.copy()
        digest.update(f"{delivery} {is_made} {self.seed} {sorted(self.decoders)}".encode())
        digest.update("\n".join(face.name for face in faces).encode())
        kept = self.folder / f"{digest.hexdigest()[:24]}.npy"
        if not kept.exists():
            log.info("measuring %d faces, %s%s", len(faces), delivery, ", made" if is_made else "")
            np.save(kept, np.stack([self._row(face, delivery, is_made) for face in faces]))
        rows: Float64Array = np.load(kept).astype(np.float64)
        return rows

    def _row(self, face: StoredFace, delivery: str, is_made: bool) -> Any:
        name = face.pair or face.name  # both halves of a pair are drawn alike
        pixels = load(face)
        if is_made:
            rng = random.Random(f"{self.seed}:made:{name}")  # noqa: S311 - reproducible sampling, not secrets
            pixels, _ = remake_face(pixels, face.face, rng, self.decoders)
        chosen = DELIVERIES[delivery] or draw_delivery(random.Random(f"{self.seed}:{name}"))  # noqa: S311
        delivered, place = deliver(pixels, face.face, chosen)
        crop = cut_square(delivered, place, margin=self.margin)
        x = crop.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(127.5) - np.float32(1)
        return self._session.run(None, {"patches": np.ascontiguousarray(x)})[0][0]


def load(face: StoredFace) -> UInt8Array:
    """Return the stored crop, (H, W, 3) uint8."""
    with Image.open(face.file) as picture:
        return np.asarray(picture.convert("RGB"))

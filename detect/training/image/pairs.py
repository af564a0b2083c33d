"""Aligned pairs: a real crop and its round trip through a tiny diffusion autoencoder or one made in the run.

Both halves show the same content at the same size, so the only thing left to learn is the decoder's trace
(as in AEROBLADE, arXiv 2401.17879, and the aligned training sets that followed it).
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from detect.training.image.crops import Crop, CropStore
from detect.training.image.homemade import Homemade

log = logging.getLogger(__name__)
PAIR_SIDE = 256
_BATCH = 4
_BYTES = 2 * PAIR_SIDE * PAIR_SIDE * 3


@dataclass(frozen=True)
class Pair:
    """One pair in the flat file: `index` counts pairs; the real crop lies before its round trip."""

    index: int
    key: str  # of the real crop
    decoder: str
    name: str  # source of the real picture


class PairStore:
    """Read access to pairs as (2, 256, 256, 3) uint8: real, then generated."""

    def __init__(self, folder: Path, keys: Collection[str] | None = None) -> None:
        self.pairs = _read_index(folder)
        raw = np.memmap(folder / "pairs.bin", dtype=np.uint8, mode="r") if self.pairs else np.zeros(0, np.uint8)
        self._pixels = raw[: len(self.pairs) * _BYTES].reshape(-1, 2, PAIR_SIDE, PAIR_SIDE, 3)
        if keys is not None:
            self.pairs = [pair for pair in self.pairs if pair.key in keys]

    def pixels(self, pair: Pair) -> npt.NDArray[np.uint8]:
        """Return the pair as (2, 256, 256, 3) uint8; a view of the file, do not write."""
        pixels: npt.NDArray[np.uint8] = self._pixels[pair.index]
        return pixels


def _read_index(folder: Path) -> list[Pair]:
    """Return the pairs that are whole on disk: a killed run may have left half of one."""
    if not (folder / "pairs.jsonl").is_file():
        return []
    lines = (folder / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
    return [Pair(**json.loads(line)) for line in lines[: (folder / "pairs.bin").stat().st_size // _BYTES]]


@torch.no_grad()
def round_trip(vae: nn.Module, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return (N, H, W, 3) uint8 after encoder and decoder.

    A homemade autoencoder runs in float32 as it is. Of a tiny diffusion autoencoder the body runs in bfloat16,
    which halves the time on a CPU with AVX512-BF16; the last convolution runs in float32, or its 8-bit significand
    would leave steps of 1/256 in the output as a trace that no generator has.
    """
    device = next(vae.parameters()).device
    batch = torch.from_numpy(np.ascontiguousarray(pixels)).to(device).permute(0, 3, 1, 2).float() / 255
    if isinstance(vae, Homemade):
        return _to_bytes(vae(batch.contiguous(memory_format=torch.channels_last)))
    assert isinstance(vae, nn.Sequential)
    encoder, decoder = vae[0], vae[1]
    assert isinstance(decoder, nn.Sequential)
    with torch.autocast(device.type, torch.bfloat16):
        body = decoder[:-1](encoder(batch.contiguous(memory_format=torch.channels_last)))
    return _to_bytes(decoder[-1](body.float()))


def _to_bytes(restored: Tensor) -> npt.NDArray[np.uint8]:
    return np.asarray((restored.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy())


def build_pairs(
    store: CropStore, crops: Sequence[Crop], folder: Path, *, decoders: Mapping[str, Callable[[], nn.Module]], seed: int
) -> PairStore:
    """Cut a 256-pixel window from each real crop, send it through one autoencoder, and store both.

    `decoders` gives each autoencoder by its name when its turn comes. Window and decoder follow from `seed` and the
    crop alone, so pairs that the folder already holds are kept: a killed run goes on, and a larger data set only adds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    held = _read_index(folder)
    _truncate(folder, held)
    known = {pair.key for pair in held}
    by_decoder: dict[str, list[Crop]] = {name: [] for name in decoders}
    for crop in crops:
        if crop.key not in known:
            by_decoder[_rng(seed, crop, "decoder").choice(list(decoders))].append(crop)
    started, index = time.monotonic(), len(held)
    with (folder / "pairs.bin").open("ab") as sink, (folder / "pairs.jsonl").open("a", encoding="utf-8") as rows:
        for decoder, missing in by_decoder.items():
            vae = decoders[decoder]().to(memory_format=torch.channels_last)
            for start in range(0, len(missing), _BATCH):
                chosen = missing[start : start + _BATCH]
                real = np.stack([_window(store.pixels(crop), _rng(seed, crop, "window")) for crop in chosen])
                fake = round_trip(vae, real)
                for position, crop in enumerate(chosen):
                    sink.write(real[position].tobytes() + fake[position].tobytes())
                    rows.write(json.dumps(asdict(Pair(index, crop.key, decoder, crop.name))) + "\n")
                    index += 1
                sink.flush()
                rows.flush()
            log.info("pairs: %d of %d after %s, %.0f s", index, len(crops), decoder, time.monotonic() - started)
    return PairStore(folder, {crop.key for crop in crops})


def _truncate(folder: Path, held: Sequence[Pair]) -> None:
    """Cut what a killed run left half written."""
    (folder / "pairs.bin").touch()
    with (folder / "pairs.bin").open("r+b") as sink:
        sink.truncate(len(held) * _BYTES)
    (folder / "pairs.jsonl").write_text("".join(json.dumps(asdict(pair)) + "\n" for pair in held), encoding="utf-8")


def _rng(seed: int, crop: Crop, purpose: str) -> random.Random:
    return random.Random(f"{seed}:{crop.key}:{purpose}")  # noqa: S311 - reproducible sampling, not secrets


def _window(pixels: npt.NDArray[np.uint8], rng: random.Random) -> npt.NDArray[np.uint8]:
    top = rng.randint(0, pixels.shape[0] - PAIR_SIDE)
    left = rng.randint(0, pixels.shape[1] - PAIR_SIDE)
    return pixels[top : top + PAIR_SIDE, left : left + PAIR_SIDE]

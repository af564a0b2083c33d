"""Cut training pictures once into native-resolution crops that lie in one flat file.

Decoding a 12-megapixel photo for one 128-pixel crop would cost more than the training step, so every picture is
decoded once and kept as at most `CROPS_PER_PICTURE` crops of up to 512 x 512 pixels: native ones, which hold the
generator's or the camera's own trace, and for large pictures one of the whole picture made small, as platforms do.
Crops are stored raw, since a second lossy code would be one more trace.
"""

from __future__ import annotations

import json
import random
import warnings
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

T = TypeVar("T")
U = TypeVar("U")
CROP_SIDE = 512
MIN_SIDE = 128
# Marks that a product prints at the bottom right (DALL-E 2's colour bar, Gemini's sparkle) would be learnt instead of
# the trace: the lowest and rightmost part of those pictures is never used (data.md, "Shortcuts").
MARKED_GENERATORS = ("dalle2", "nano-banana", "gemini", "imagen", "seedream", "doubao", "gemimg")
MARKED_SHARE = 0.15


@dataclass(frozen=True)
class Crop:
    """One stored crop: where it lies in the flat file and what it is."""

    offset: int
    height: int
    width: int
    label: str
    name: str  # generator of a fake, source of a real picture
    group: str
    kind: str  # native | reduced
    sha256: str
    ordinal: int  # counts the crops of one picture

    @property
    def key(self) -> str:
        """Name of the crop that stays the same when other pictures join or leave the store."""
        return f"{self.sha256}-{self.ordinal}"


class CropStore:
    """Read access to a flat file of raw RGB crops and its index."""

    def __init__(self, folder: Path, pictures: Collection[str] | None = None) -> None:
        """Open the store; `pictures` (SHA-256) leaves out the crops of all others."""
        crops = [Crop(**json.loads(line)) for line in (folder / "index.jsonl").read_text().splitlines()]
        self.crops = [crop for crop in crops if pictures is None or crop.sha256 in pictures]
        self._bytes = np.memmap(folder / "crops.bin", dtype=np.uint8, mode="r")

    def pixels(self, crop: Crop) -> npt.NDArray[np.uint8]:
        """Return the crop as (height, width, 3) uint8; a view of the file, do not write."""
        size = crop.height * crop.width * 3
        return self._bytes[crop.offset : crop.offset + size].reshape(crop.height, crop.width, 3)


def open_picture(path: Path) -> Image.Image | None:
    """Return the upright RGB picture, or None when it does not decode (a training run skips it and says so)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as opened:
                picture = ImageOps.exif_transpose(opened)
                if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
                    rgba = picture.convert("RGBA")
                    picture = Image.new("RGB", rgba.size, (255, 255, 255))
                    picture.paste(rgba, mask=rgba.getchannel("A"))
                return picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def cut_crops(picture: Image.Image, *, name: str, rng: random.Random) -> Iterator[tuple[str, Image.Image]]:
    """Yield (kind, crop) of one upright RGB picture; nothing when a side is under `MIN_SIDE`."""
    if any(mark in name for mark in MARKED_GENERATORS):
        kept = 1 - MARKED_SHARE
        picture = picture.crop((0, 0, round(picture.width * kept), round(picture.height * kept)))
    if "grid2x2" in name:  # one file holds four pictures
        half_w, half_h = picture.width // 2, picture.height // 2
        left, top = rng.choice((0, half_w)), rng.choice((0, half_h))
        picture = picture.crop((left, top, left + half_w, top + half_h))
    short = min(picture.size)
    if short < MIN_SIDE:
        return
    for _ in range(2 if short >= 1500 else 1):
        yield "native", _random_crop(picture, rng)
    if short >= 700:
        factor = rng.uniform(CROP_SIDE, 1.25 * CROP_SIDE) / short
        size = (round(picture.width * factor), round(picture.height * factor))
        resample = rng.choice((Image.Resampling.LANCZOS, Image.Resampling.BICUBIC, Image.Resampling.BOX))
        yield "reduced", _random_crop(picture.resize(size, resample), rng)


def _random_crop(picture: Image.Image, rng: random.Random) -> Image.Image:
    width, height = min(CROP_SIDE, picture.width), min(CROP_SIDE, picture.height)
    left, top = rng.randint(0, picture.width - width), rng.randint(0, picture.height - height)
    return picture.crop((left, top, left + width, top + height))


def build_store(rows: Iterable[Mapping[str, Any]], folder: Path, *, seed: int) -> CropStore:
    """Decode every row's `file` and append its crops; rows as in the manifest (`label`, `generator` or `source`).

    Each picture's crops depend on `seed` and its own SHA-256 alone. So pictures that the folder already holds are kept:
    a killed run goes on, a larger data set only adds, and pictures that left the data are no longer named.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {str(row["sha256"]): row for row in rows}
    held = _held(folder)
    seen = _seen(folder) | {crop.sha256 for crop in held}
    offset = held[-1].offset + held[-1].height * held[-1].width * 3 if held else 0
    (folder / "crops.bin").touch()
    with (folder / "crops.bin").open("r+b") as sink:
        sink.truncate(offset)
    _write_index(folder, held)
    with (
        (folder / "crops.bin").open("ab") as sink,
        (folder / "index.jsonl").open("a", encoding="utf-8") as index,
        (folder / "seen.txt").open("a", encoding="utf-8") as done,
    ):
        missing = [row for sha256, row in wanted.items() if sha256 not in seen]
        for row, crops in _ahead(missing, lambda row: _crops_of(row, seed=seed)):
            sha256, name = str(row["sha256"]), _name(row)
            for ordinal, (kind, pixels) in enumerate(crops):
                height, width = pixels.shape[:2]
                group = str(row.get("group") or sha256)
                entry = Crop(offset, height, width, str(row["label"]), name, group, kind, sha256, ordinal)
                sink.write(pixels.tobytes())
                sink.flush()
                index.write(json.dumps(asdict(entry)) + "\n")
                offset += pixels.size
            done.write(sha256 + "\n")
    return CropStore(folder, set(wanted))


def _name(row: Mapping[str, Any]) -> str:
    return str(row.get("generator") or row.get("source"))


def _crops_of(row: Mapping[str, Any], *, seed: int) -> list[tuple[str, npt.NDArray[np.uint8]]]:
    picture = open_picture(Path(row["file"]))
    if picture is None:
        return []
    rng = random.Random(f"{seed}:{row['sha256']}")  # noqa: S311 - reproducible sampling, not secrets
    return [(kind, np.asarray(crop)) for kind, crop in cut_crops(picture, name=_name(row), rng=rng)]


def _ahead(rows: Sequence[T], work: Callable[[T], U], *, threads: int = 2, window: int = 8) -> Iterator[tuple[T, U]]:
    """Yield (row, work(row)) in order while a few rows ahead are worked on; decoders release the interpreter's lock."""
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque((row, pool.submit(work, row)) for row in rows[:window])
        for row in rows[window:]:
            first, future = waiting.popleft()
            yield first, future.result()
            waiting.append((row, pool.submit(work, row)))
        for first, future in waiting:
            yield first, future.result()


def _held(folder: Path) -> list[Crop]:
    """Return the crops that are whole on disk, but for those of the last picture, which may lack some of its crops."""
    if not (folder / "index.jsonl").is_file():
        return []
    size = (folder / "crops.bin").stat().st_size
    lines = (folder / "index.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    crops = [Crop(**json.loads(line)) for line in lines if line.endswith("\n")]
    whole = [crop for crop in crops if crop.offset + crop.height * crop.width * 3 <= size]
    done = _seen(folder)
    return [crop for crop in whole if crop.sha256 in done]


def _seen(folder: Path) -> set[str]:
    """Return the pictures that were gone through, also those that gave no crop."""
    path = folder / "seen.txt"
    return {line.strip() for line in path.read_text().splitlines()} if path.is_file() else set()


def _write_index(folder: Path, crops: Iterable[Crop]) -> None:
    (folder / "index.jsonl").write_text("".join(json.dumps(asdict(crop)) + "\n" for crop in crops), encoding="utf-8")

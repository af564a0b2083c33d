"""Decode every listed recording once: 16 kHz int16 pieces in one flat file, with an index of where each lies.

Why a cache: training reads a clip a dozen times, and decoding plus resampling would cost more than the net.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detect.errors import WitnessmarkError
from detect.media.pcm import SAMPLE_RATE_HZ, BlockNotes, open_reader, resample_blocks
from detect.training.speech.recipe import Recipe

logger = logging.getLogger(__name__)

Int16Array = npt.NDArray[np.int16]

PIECE_S = 10.0
"""Longest piece kept of a recording; three windows and some choice of where to cut."""

PIECES = 4
"""Pieces taken of a long recording, spread over it."""

SILENCE = 10 ** (-50 / 20)
"""Edges quieter than this share of the peak are trimmed: leading silence names the system that made a file."""


@dataclass(frozen=True)
class Clip:
    """One decoded piece: where it lies in the flat file and what is known of it.

    `system` is the generator or source (with its repository), `family` what must stay in one fold.
    """

    key: str
    start: int
    samples: int
    label: int
    system: str
    repo: str
    pair: str
    native_rate_hz: int
    seconds_at: float = 0.0


class ClipStore:
    """A folder with `clips.i16` and `clips.jsonl`; grows by appending, so that a broken run resumes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.samples_path = folder / "clips.i16"
        self.index_path = folder / "clips.jsonl"
        self.samples_path.touch()
        self.index_path.touch()

    def clips(self) -> list[Clip]:
        """Return all clips in the order they were added."""
        return [Clip(**json.loads(line)) for line in self.index_path.read_text(encoding="utf-8").splitlines()]

    def samples(self) -> Int16Array:
        """Return the flat file as a read-only map."""
        return np.memmap(self.samples_path, dtype=np.int16, mode="r")

    def append(self, waveform: Int16Array, **facts: Any) -> None:
        """Add one clip."""
        with self.samples_path.open("ab") as sink:
            start = sink.tell() // 2
            sink.write(waveform.tobytes())
        clip = Clip(start=start, samples=len(waveform), **facts)
        with self.index_path.open("a", encoding="utf-8") as sink_text:
            sink_text.write(json.dumps(asdict(clip)) + "\n")


def system_of(row: dict[str, Any]) -> str:
    """Return the name that balancing and error tables use: repository and generator or source."""
    return f"{row['repo']}:{row.get('generator') or row.get('source') or 'unknown'}"


def read_rows(
    recipe: Recipe, *, splits: Iterable[str] = ("train",), kinds: Iterable[str] = ("audio",)
) -> list[dict[str, Any]]:
    """Return the manifest rows of these splits that a file exists for, one a SHA-256, with `_path` added."""
    rows: dict[str, dict[str, Any]] = {}
    for manifest in recipe.data.manifests:
        path = recipe.resolve(manifest)
        if not path.exists():
            logger.warning("manifest %s is missing; going on without it", manifest)
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row.get("kind") in kinds and row.get("split") in splits and row.get("label") in ("real", "fake"):
                found = _find_file(recipe, row, beside=path.parent)
                if found is not None and row["sha256"] not in rows:
                    rows[row["sha256"]] = {**row, "_path": found}
    return list(rows.values())


def _find_file(recipe: Recipe, row: dict[str, Any], *, beside: Path) -> Path | None:
    """Return the original, or else the pack's copy; relative paths count from the manifest, then from the roots."""
    folders = (beside, *(recipe.resolve(root) for root in recipe.data.roots))
    for name in (row.get("file"), row.get("pack")):
        for folder in folders if name else ():
            path = folder / str(name)
            if path.is_file():
                return path
    return None


def cap_rows(rows: list[dict[str, Any]], *, fake: int, real: int) -> list[dict[str, Any]]:
    """Keep at most `fake` rows a generator and `real` rows a source, in the order of their hashes."""
    kept: list[dict[str, Any]] = []
    counts: Counter[str] = Counter()
    for row in sorted(rows, key=lambda item: item["sha256"]):
        if counts[system_of(row)] < (fake if row["label"] == "fake" else real):
            counts[system_of(row)] += 1
            kept.append(row)
    return kept


def cache_clips(recipe: Recipe, store: ClipStore, rows: list[dict[str, Any]]) -> None:
    """Decode all rows that the store does not hold yet."""
    known = {clip.key.partition("#")[0] for clip in store.clips()}
    for number, row in enumerate(rows):
        if row["sha256"] in known:
            continue
        try:
            for at_s, piece in decode_pieces(row["_path"]):
                store.append(
                    piece,
                    key=f"{row['sha256']}#{at_s:.1f}",
                    label=int(row["label"] == "fake"),
                    system=system_of(row),
                    repo=row["repo"],
                    pair=str(row.get("pair") or ""),
                    native_rate_hz=int(row.get("sample_rate_hz") or 0),
                    seconds_at=at_s,
                )
        except WitnessmarkError as error:
            logger.warning("%s: left out, %s", row["_path"], error)
        if number % 500 == 0:
            logger.info("decoded %d of %d recordings", number, len(rows))


def decode_pieces(path: Path) -> Iterator[tuple[float, Int16Array]]:
    """Yield (start in s, samples) of up to `PIECES` trimmed pieces of the first channel of a recording."""
    reader = open_reader(path, sniff_name(path))
    try:
        blocks = list(resample_blocks(reader, BlockNotes(), max_channels=1))
    finally:
        reader.close()
    wave = np.concatenate(blocks, axis=1)[0]
    loud = np.flatnonzero(np.abs(wave) > SILENCE * max(float(np.abs(wave).max(initial=0.0)), 1e-4))
    if len(loud) < SAMPLE_RATE_HZ // 2:
        return
    wave = wave[loud[0] : loud[-1] + 1]
    length = int(PIECE_S * SAMPLE_RATE_HZ)
    count = min(PIECES, max(1, len(wave) // (2 * length)))
    for start in np.linspace(0, max(0, len(wave) - length), count).astype(int):
        piece = wave[start : start + length]
        scale = 0.9 / max(float(np.abs(piece).max(initial=0.0)), 1e-4)
        yield float((loud[0] + start) / SAMPLE_RATE_HZ), np.round(piece * min(scale, 50.0) * 32767).astype(np.int16)


def sniff_name(path: Path) -> str:
    """Return the sound format of a trusted training file from its first bytes."""
    with path.open("rb") as stream:
        head = stream.read(16)
    if head[:4] in (b"RIFF", b"RF64"):
        return "wav"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] == b"OggS":
        return "ogg"
    if head[:4] == b"FORM":
        return "aiff"
    if head[4:8] == b"ftyp":
        return "m4a"
    return "webm" if head[:4] == b"\x1a\x45\xdf\xa3" else "mp3"

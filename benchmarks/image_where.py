"""Does the heat map light a generated patch that was pasted into a real photograph?

    python benchmarks/image_where.py --manifest ../shared/data/manifest.jsonl --split val --pairs 100

Each pair is made from one real and one generated file of the manifest: a patch of the generated picture, half as
wide and high as the photograph, is pasted at a drawn place, and the whole is saved as JPEG 90, so that both parts
share their last compression. A pair counts when the mean heat inside the patch is above the mean outside it. The
control is the same place in the same photograph with a patch of another *real* photograph: it shows how much of the
effect is the seam.
"""

from __future__ import annotations

import argparse
import io
import json
import random
from pathlib import Path

import numpy as np
from PIL import Image

from detect.analyzer import Analyzer, AnalyzerSettings
from detect.bench.data.item import Item, Label
from detect.bench.data.manifest import read_manifest
from detect.types import HeatMap

SIDE = 512


def main() -> None:
    """Print one JSON line with the share of pairs that light up, with its interval, and the control."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    items = read_manifest(args.manifest, kinds=("image",), splits=(args.split,)).items
    rng = random.Random(args.seed)
    analyzer = Analyzer(AnalyzerSettings(read_provenance=False, check_stability=False))
    reals, fakes = ([item for item in items if item.label is label] for label in (Label.REAL, Label.FAKE))
    lit, control = [], []
    for _ in range(args.pairs):
        photo, other, fake = draw(reals, rng), draw(reals, rng), draw(fakes, rng)
        place = (rng.randrange(0, SIDE // 2 + 1), rng.randrange(0, SIDE // 2 + 1))
        lit.append(is_lit(analyzer, photo, fake, place))
        control.append(is_lit(analyzer, photo, other, place))
    print(json.dumps({"pairs": args.pairs, "lit": interval(lit), "control_real_patch": interval(control)}))


def draw(items: list[Item], rng: random.Random) -> np.ndarray:
    """Return a 512-pixel square of a drawn file: origins in turn, so that no large source decides."""
    while True:
        origin = rng.choice(sorted({item.origin for item in items}))
        item = rng.choice([item for item in items if item.origin == origin])
        picture = Image.open(item.file).convert("RGB")
        if min(picture.size) >= SIDE // 2:
            scale = SIDE / min(picture.size)
            if scale > 1:  # pack files are 256 to 384 pixels: both parts of a pair are brought to one size alike
                picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
            return np.asarray(picture)[:SIDE, :SIDE]


def is_lit(analyzer: Analyzer, photo: np.ndarray, patch: np.ndarray, place: tuple[int, int]) -> bool:
    """Return whether the pasted half is hotter than the rest."""
    x, y = place
    joined = photo.copy()
    joined[y : y + SIDE // 2, x : x + SIDE // 2] = patch[: SIDE // 2, : SIDE // 2]
    sink = io.BytesIO()
    Image.fromarray(joined).save(sink, "JPEG", quality=90, subsampling=0)
    evidence = analyzer.analyze(sink.getvalue(), name="pair.jpg").evidence[0]
    assert evidence.where.heat_map is not None
    inside = inside_mask(evidence.where.heat_map, x, y)
    grid = np.array(evidence.where.heat_map.grid)
    return float(grid[inside].mean()) > float(grid[~inside].mean())


def inside_mask(heat_map: HeatMap, x: int, y: int) -> np.ndarray:
    """Return which cells have their centre in the pasted half."""
    rows, columns = len(heat_map.grid), len(heat_map.grid[0])
    centre_y = (np.arange(rows) + 0.5) * heat_map.height / rows
    centre_x = (np.arange(columns) + 0.5) * heat_map.width / columns
    in_y, in_x = (np.abs(c - start - SIDE / 4) < SIDE / 4 for c, start in ((centre_y, y), (centre_x, x)))
    return in_y[:, None] & in_x[None, :]


def interval(flags: list[bool]) -> dict[str, float]:
    """Return the share with its 95 % Wilson interval."""
    n, p, z = len(flags), float(np.mean(flags)), 1.96
    centre, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return {
        "share": round(p, 3),
        "low": round((centre - half) / (1 + z * z / n), 3),
        "high": round((centre + half) / (1 + z * z / n), 3),
    }


if __name__ == "__main__":
    main()

"""How much of the model's raw forward rate a scan keeps, on one model lane, in alternation within one run.

python benchmarks/scan_speed.py --megapixels 1 --files 40 --rounds 4
python benchmarks/scan_speed.py --megapixels 1 --files 40 --provenance --stability

Three ratios, since a machine with other work on it makes wall time unfair:
  lane   CPU seconds of bare forward passes over CPU seconds of the model's lane in the scan: what a machine keeps whose
         other cores do everything else (reading, hashing, decoding, evidence, rows)
  total  the same over CPU seconds of everything, decoder processes included: what one core keeps that does it all
  wall   files a second of the scan over files a second of bare forward passes; means something on an idle machine only
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from image_speed import make_picture

from detect.analyzer import AnalyzerSettings
from detect.evidence.patches import pick_patches
from detect.media import decode_image, open_source
from detect.media.sandbox import SANDBOX
from detect.scan.items import Item
from detect.scan.judge import ItemJudge

TICK = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=1.0)
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--provenance", action="store_true", help="Also read C2PA, metadata and watermarks.")
    parser.add_argument("--stability", action="store_true", help="Also judge re-encoded copies.")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scan-speed-") as name:
        print(json.dumps(measure(Path(name), args)), flush=True)


def measure(folder: Path, args: argparse.Namespace) -> dict[str, object]:
    """Alternate bare forward passes and scans of the same pictures."""
    side = round((args.megapixels * 1e6) ** 0.5)
    data = make_picture(side)
    items = []
    for number in range(args.files):
        path = folder / f"{number:04d}.jpg"
        path.write_bytes(data + bytes([number % 256]))  # bytes after the end of a JPEG: another file, the same work
        items.append(Item(path.name, str(path)))
    settings = AnalyzerSettings(
        device="cpu", locate=False, check_stability=args.stability, read_provenance=args.provenance
    )
    judge = ItemJudge(settings, cpu_lanes=1)
    examiner = judge.analyzer.image_examiner
    with open_source(folder / "0000.jpg") as source:
        pixels = decode_image(source).pixels_rgb
    patches = [p.pixels for p in pick_patches(pixels, side=examiner.patch_side, max_patches=examiner.max_patches)]
    looked_at = round(calls_of(judge, items[:4]) / 4)  # an undecided answer is not judged again re-encoded
    batch = [np.stack([patches[number % len(patches)]]) for number in range(looked_at)]

    def forward() -> None:
        for _ in items:
            for x in batch:
                examiner.scorer.runner.run(x)

    raw: list[Cost] = []
    scan: list[Cost] = []
    for _ in range(args.rounds):
        raw.append(cost_of(forward))
        scan.append(cost_of(lambda: judge.judge_all(items)))
    files = args.files * args.rounds
    raw_cpu = sum(cost.own for cost in raw)
    scan_total = sum(cost.own + cost.children for cost in scan)
    lane = sum(cost.lanes for cost in scan)
    decode = decode_cost(items)
    return {
        "megapixels": args.megapixels,
        "patches_a_file": len(batch),
        "provenance": args.provenance,
        "stability": args.stability,
        "forward_cpu_ms_a_file": round(1000 * raw_cpu / files, 1),
        "lane_cpu_ms_a_file": round(1000 * lane / files, 1),
        "scan_cpu_ms_a_file": round(1000 * scan_total / files, 1),
        "decode_cpu_ms_a_file": round(1000 * decode, 1),
        "ratio_lane": round(raw_cpu / lane, 3),
        "ratio_total": round(raw_cpu / scan_total, 3),
        "ratio_wall_by_round": [round(r.wall / s.wall, 3) for r, s in zip(raw, scan, strict=True)],
        "decode_limited_files_a_core_second": round(1 / decode, 1),
        "load": os.getloadavg(),
    }


def calls_of(judge: ItemJudge, items: list[Item]) -> int:
    """Judge some items, which also warms everything, and return how many patches the network saw."""
    runner = judge.analyzer.image_examiner.scorer.runner
    run, calls = runner.run, []

    def counted(patches: np.ndarray) -> np.ndarray:
        calls.append(len(patches))
        return run(patches)

    runner.run = counted  # type: ignore[method-assign]
    judge.judge_all(items)
    runner.run = run  # type: ignore[method-assign]
    return sum(calls)


class Cost:
    """Seconds that some work took: on the clock, in this process, in its lanes, in decoder processes."""

    def __init__(self, wall: float, own: float, lanes: float, children: float) -> None:
        self.wall, self.own, self.lanes, self.children = wall, own, lanes, children


def cost_of(work: Callable[[], object]) -> Cost:
    """Run `work` and return its cost."""
    started = (time.perf_counter(), time.process_time(), lane_seconds(), decoder_seconds())
    work()
    ended = (time.perf_counter(), time.process_time(), lane_seconds(), decoder_seconds())
    return Cost(*(after - before for before, after in zip(started, ended, strict=True)))


def lane_seconds() -> float:
    """Return the CPU seconds of the engine's lanes so far."""
    lanes = [thread.native_id for thread in threading.enumerate() if thread.name.startswith("lane-")]
    return sum(stat_seconds(Path(f"/proc/self/task/{lane}/stat")) for lane in lanes)


def decoder_seconds() -> float:
    """Return the CPU seconds of the decoder processes so far, ended ones included."""
    gone = resource.getrusage(resource.RUSAGE_CHILDREN)
    alive = sum(stat_seconds(Path(f"/proc/{worker.pid}/stat")) for worker in [*SANDBOX._idle, *SANDBOX._busy])
    return gone.ru_utime + gone.ru_stime + alive


def stat_seconds(path: Path) -> float:
    """Return user and system time of a `stat` file of /proc."""
    try:
        fields = path.read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICK


def decode_cost(items: list[Item]) -> float:
    """Return the CPU seconds that opening, hashing and decoding one file take."""

    def decode() -> None:
        for item in items:
            with open_source(item.place) as source:
                decode_image(source)

    cost = cost_of(decode)
    return (cost.own + cost.children) / len(items)


if __name__ == "__main__":
    main()

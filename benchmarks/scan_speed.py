"""How much of the networks' raw forward rate, at the best batch, a scan keeps on one model lane, in alternation.

python benchmarks/scan_speed.py --megapixels 1 --files 40 --rounds 4
python benchmarks/scan_speed.py --megapixels 1 --files 40 --provenance --stability

Four ratios, each as median, least and largest over the rounds, since a machine with other work on it makes wall time
unfair:
  lane     CPU seconds of the picture model's bare passes over those of its lane in the scan: what a machine keeps whose
           other cores do everything else (reading, hashing, decoding, faces, evidence, rows)
  process  CPU seconds of all bare passes over those of the judging process without its decoder processes: what two
           cores keep, one of which decodes and feeds the other
  total    the same over CPU seconds of everything, decoder processes included: what one core keeps that does it all
  wall     files a second of the scan over files a second of bare forward passes: means something on an idle machine,
           and is the only one of the four that does with --device cuda
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
from typing import Any

import numpy as np
from image_speed import make_picture
from onnxruntime import InferenceSession

from detect.analyzer import AnalyzerSettings
from detect.evidence.patches import pick_patches
from detect.media import decode_image, open_source
from detect.media.sandbox import SANDBOX
from detect.networks.image.patch_scorer import PatchRunner
from detect.scan.items import Item
from detect.scan.judge import ItemJudge

TICK = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=1.0)
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
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
        device=args.device, locate=False, check_stability=args.stability, read_provenance=args.provenance
    )
    judge = ItemJudge(settings, cpu_lanes=1)
    examiner = judge.analyzer.image_examiner
    with open_source(folder / "0000.jpg") as source:
        pixels = decode_image(source).pixels_rgb
    patches = [p.pixels for p in pick_patches(pixels, side=examiner.patch_side, max_patches=examiner.max_patches)]
    looked_at, others = networks_of(judge, items[:4])
    looked_at_patches = np.stack([patches[number % len(patches)] for number in range(looked_at)])
    by_batch = best_batches(examiner.scorer.runner, looked_at_patches)
    size = min(by_batch, key=lambda size: by_batch[size])
    everything = np.concatenate([looked_at_patches] * len(items))  # as many patches as the scan looks at

    def forward() -> None:
        for start in range(0, len(everything), size):
            examiner.scorer.runner.run(everything[start : start + size])
        for run in others:
            for _ in items:
                run()

    bare_others = cost_of(lambda: [run() for run in others]).own if others else 0.0
    raw: list[Cost] = []
    scan: list[Cost] = []
    for _ in range(args.rounds):
        raw.append(cost_of(forward))
        scan.append(cost_of(lambda: judge.judge_all(items)))
    decode = decode_cost(items)
    rounds = list(zip(raw, scan, strict=True))
    return {
        "megapixels": args.megapixels,
        "device": args.device,
        "model": f"{examiner.model.name} {examiner.model.version}",
        "patches_a_file": looked_at,
        "calls_of_other_networks_a_file": len(others),
        "forward_ms_a_patch_by_batch": {size: round(1000 * cost, 2) for size, cost in by_batch.items()},
        "best_batch": size,
        "provenance": args.provenance,
        "stability": args.stability,
        "forward_cpu_ms_a_file": middle([1000 * one.own / args.files for one in raw]),
        "of_that_other_networks": round(1000 * bare_others, 1),
        "lane_cpu_ms_a_file": middle([1000 * one.lanes / args.files for one in scan]),
        "process_cpu_ms_a_file": middle([1000 * one.own / args.files for one in scan]),
        "scan_cpu_ms_a_file": middle([1000 * (one.own + one.children) / args.files for one in scan]),
        "decode_cpu_ms_a_file": round(1000 * decode, 1),
        "ratio_lane": middle([(bare.own - bare_others * args.files) / one.lanes for bare, one in rounds], digits=3),
        "ratio_process": middle([bare.own / one.own for bare, one in rounds], digits=3),
        "ratio_total": middle([bare.own / (one.own + one.children) for bare, one in rounds], digits=3),
        "ratio_wall": middle([bare.wall / one.wall for bare, one in rounds], digits=3),
        "decode_limited_files_a_core_second": round(1 / decode, 1),
        "load": os.getloadavg(),
    }


def middle(values: list[float], *, digits: int = 1) -> list[float]:
    """Return median, least and largest of a figure's rounds: neighbours disturb single ones by as much as half."""
    return [round(float(found), digits) for found in (np.median(values), min(values), max(values))]


def networks_of(judge: ItemJudge, items: list[Item]) -> tuple[int, list[Callable[[], object]]]:
    """Judge some items, which also warms everything.

    Returns:
        Patches a file that the picture model saw (an undecided answer is not judged again re-encoded), and the calls of
        ONNX Runtime by which other networks looked at the last file, such as the search for faces.
    """
    runner, session_run = judge.analyzer.image_examiner.scorer.runner, InferenceSession.run
    run, patches, others = runner.run, [], []

    def counted(found: np.ndarray) -> np.ndarray:
        patches.append(len(found))
        return run(found)

    def noted(session: InferenceSession, *given: Any, **options: Any) -> Any:
        if session is not getattr(runner, "session", None):
            others.append(lambda: session_run(session, *given, **options))
        return session_run(session, *given, **options)

    runner.run, InferenceSession.run = counted, noted  # type: ignore[method-assign]
    judge.judge_all(items[:-1])
    others.clear()
    judge.judge_all(items[-1:])
    runner.run, InferenceSession.run = run, session_run  # type: ignore[method-assign]
    return round(sum(patches) / len(items)), others


def best_batches(runner: PatchRunner, patches: np.ndarray) -> dict[int, float]:
    """Return the seconds that a patch takes in batches of some sizes, the least of three turns; CPU time on a CPU."""
    clock = time.process_time if runner.device == "cpu" else time.perf_counter
    found: dict[int, float] = {}
    for _ in range(3):
        for size in sorted({1, 2, 4, len(patches), runner.batch}):
            batch = np.resize(patches, (size, *patches.shape[1:]))
            started = clock()
            for _ in range(calls := max(1, len(patches) // size)):
                runner.run(batch)
            cost = (clock() - started) / (calls * size)
            found[size] = min(cost, found.get(size, cost))
    return found


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

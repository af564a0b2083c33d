"""A scan with one judging process and with two, in alternation: does the second one double the work done?

python benchmarks/scan_processes.py --few 30 --many 120 --rounds 2

Starting a process (imports, the model) costs seconds and is no matter of scaling, so each scan runs over few and over
many files, and the difference counts. On a machine with other work on it the clock says little; CPU time a file says
what the second process costs: a ratio of 1.0 means that twice the cores do twice the work.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path

from image_speed import make_picture
from scan_resume import scan_command


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", type=int, default=30)
    parser.add_argument("--many", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--megapixels", type=float, default=1.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scan-processes-") as name:
        print(json.dumps(measure(Path(name), args)), flush=True)


def measure(folder: Path, args: argparse.Namespace) -> dict[str, object]:
    """Scan few and many files with one and with two processes, round by round."""
    data = make_picture(round((args.megapixels * 1e6) ** 0.5))
    sources = {}
    for count in (args.few, args.many):
        sources[count] = folder / f"{count}"
        sources[count].mkdir()
        for number in range(count):
            (sources[count] / f"{number:05d}.jpg").write_bytes(data + number.to_bytes(4, "little"))
    wall: dict[int, list[float]] = {1: [], 2: []}
    cpu: dict[int, list[float]] = {1: [], 2: []}
    extra = args.many - args.few
    for turn in range(args.rounds):
        for processes in (1, 2):
            costs = [
                timed(scan_command([str(source)], folder / f"{turn}-{processes}-{count}.parquet", processes))
                for count, source in sources.items()
            ]
            wall[processes].append(round(1000 * (costs[1][0] - costs[0][0]) / extra, 1))
            cpu[processes].append(round(1000 * (costs[1][1] - costs[0][1]) / extra, 1))
    return {
        "files_between": extra,
        "megapixels": args.megapixels,
        "wall_ms_a_file": wall,
        "cpu_ms_a_file": cpu,
        "speed_up_on_the_clock": round(sum(wall[1]) / sum(wall[2]), 2),
        "cpu_ratio_1_to_2": round(sum(cpu[1]) / sum(cpu[2]), 3),
        "load": os.getloadavg(),
    }


def timed(command: list[str]) -> tuple[float, float]:
    """Return the seconds that the scan itself took, without its start, and all CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    elapsed = json.loads(done.stdout)["elapsed_s"]
    return round(min(elapsed, time.monotonic() - started), 2), round(used, 2)


if __name__ == "__main__":
    main()

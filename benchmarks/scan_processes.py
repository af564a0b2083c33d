"""A scan with one judging process and with two, in alternation: does the second one double the work done?

python benchmarks/scan_processes.py --files 60 --rounds 2

On a machine with other work on it the clock says little; files a CPU second of both counts says what the second process
costs: 1.0 means that twice the cores do twice the work.
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
    parser.add_argument("--files", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--megapixels", type=float, default=1.0)
    args = parser.parse_args()
    wall: dict[int, list[float]] = {1: [], 2: []}
    cpu: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory(prefix="scan-processes-") as name:
        data = make_picture(round((args.megapixels * 1e6) ** 0.5))
        pictures = Path(name) / "pictures"
        pictures.mkdir()
        for number in range(args.files):
            (pictures / f"{number:05d}.jpg").write_bytes(data + number.to_bytes(4, "little"))
        for turn in range(args.rounds):
            for processes in (1, 2):
                out = Path(name) / f"{turn}-{processes}.parquet"
                seconds, used = timed(scan_command([str(pictures)], out, processes))
                wall[processes].append(seconds)
                cpu[processes].append(used)
    print(
        json.dumps(
            {
                "files": args.files,
                "megapixels": args.megapixels,
                "scan_s": wall,
                "cpu_ms_a_file_with_start": {
                    count: round(1000 * sum(v) / args.rounds / args.files, 1) for count, v in cpu.items()
                },
                "speed_up_on_the_clock": [round(a / b, 2) for a, b in zip(wall[1], wall[2], strict=True)],
                "cpu_ratio_1_to_2": round(sum(cpu[1]) / sum(cpu[2]), 3),
                "load": os.getloadavg(),
            }
        )
    )


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

"""Memory of a scan over a long list: does it grow with the rows? The list is synthetic and names few files often.

python benchmarks/scan_memory.py --rows 100000
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq
from scan_resume import make_pictures, rows_in, scan_command

PAGE = os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--contents", type=int, default=200)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scan-memory-") as name:
        print(json.dumps(measure(Path(name), args)), flush=True)


def measure(folder: Path, args: argparse.Namespace) -> dict[str, object]:
    """Scan the list and look at the scan's process and its children twice a second."""
    pictures = sorted(make_pictures(folder / "pictures", args.contents).iterdir())
    listed, out = folder / "list.jsonl", folder / "results.parquet"
    with listed.open("w") as sink:
        for row in range(args.rows):
            # Half the rows are broken names: rows of errors must not pile up either.
            path = pictures[row % len(pictures)] if row % 2 else folder / f"missing-{row}.jpg"
            sink.write(json.dumps({"path": str(path)}) + "\n")
    process = subprocess.Popen(scan_command([str(listed)], out, 1), stdout=subprocess.DEVNULL)
    samples: list[tuple[int, float]] = []
    started = time.monotonic()
    while process.poll() is None:
        samples.append((rows_in(out.with_name(out.name + ".parts")), resident_mb(process.pid)))
        time.sleep(0.5)
    half = args.rows // 2
    early = [mb for rows, mb in samples if args.rows * 0.1 <= rows < half]
    late = [mb for rows, mb in samples if rows >= half]
    return {
        "rows": pq.read_metadata(out).num_rows,
        "exit_code": process.returncode,
        "peak_mb": round(max(mb for _, mb in samples), 1),
        "peak_mb_rows_10_to_50_percent": round(max(early), 1) if early else None,
        "peak_mb_rows_50_to_100_percent": round(max(late), 1) if late else None,
        "rows_a_second": round(args.rows / (time.monotonic() - started), 1),
        "samples": len(samples),
        "load": os.getloadavg(),
    }


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process and all its descendants, MB."""
    total = 0
    for found in [pid, *descendants(pid)]:
        try:
            total += int(Path(f"/proc/{found}/statm").read_text().split()[1]) * PAGE
        except (OSError, IndexError):
            continue
    return total / 1e6


def descendants(pid: int) -> list[int]:
    """Return the process ids below one."""
    try:
        tasks = [int(name) for name in os.listdir(f"/proc/{pid}/task")]
        children = [
            int(child) for task in tasks for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split()
        ]
    except OSError:
        return []
    return children + [below for child in children for below in descendants(child)]


if __name__ == "__main__":
    main()

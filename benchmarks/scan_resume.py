"""A scan of many small pictures that is killed (-9) again and again: does the table lose, double or reorder anything?

python benchmarks/scan_resume.py --files 20000 --kills 3
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

SIDE = 72


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--sample", type=int, default=1000, help="First files scanned again without any kill.")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scan-resume-") as folder:
        print(json.dumps(measure(Path(folder), args)), flush=True)


def measure(folder: Path, args: argparse.Namespace) -> dict[str, object]:
    """Scan, kill, go on, and compare."""
    pictures = make_pictures(folder / "pictures", args.files)
    out, parts = folder / "results.parquet", folder / "results.parquet.parts"
    command = scan_command([str(pictures)], out, args.processes)
    started = time.monotonic()
    seen_at_kill = []
    for kill in range(1, args.kills + 1):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and rows_in(parts) < args.files * kill / (args.kills + 1):
            time.sleep(0.2)
        if process.poll() is not None:
            break
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        seen_at_kill.append(rows_in(parts))
    summary = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    elapsed = time.monotonic() - started
    table = pq.read_table(out, columns=["index", "name", "verdict", "authenticity", "error_code", "duplicate_of"])
    names = table["name"].to_pylist()
    expected = sorted(str(path) for path in pictures.iterdir())
    sample = first_rows(folder, expected[: args.sample], args.processes)
    kept = ("name", "verdict", "authenticity", "error_code")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "files": args.files,
        "kills": len(seen_at_kill),
        "rows_written_at_each_kill": seen_at_kill,
        "rows_resumed_by_the_last_run": summary["resumed"],
        "rows": len(names),
        "lost": len(set(expected) - set(names)),
        "doubled": len(names) - len(set(names)),
        "in_order": names == expected and table["index"].to_pylist() == list(range(len(names))),
        "errors": sum(code is not None for code in table["error_code"].to_pylist()),
        "first_rows_equal_an_uninterrupted_scan": [
            [row[key] for key in kept] for row in table.slice(0, args.sample).to_pylist()
        ]
        == [[row[key] for key in kept] for row in sample],
        "leftovers": parts.exists(),
        "wall_s": round(elapsed, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "load": os.getloadavg(),
    }


def first_rows(folder: Path, names: list[str], processes: int) -> list[dict[str, object]]:
    """Scan some files by list, without a kill."""
    listed, out = folder / "first.txt", folder / "first.parquet"
    listed.write_text("\n".join(names))
    subprocess.run(scan_command([str(listed)], out, processes), check=True, stdout=subprocess.DEVNULL)
    return pq.read_table(out).to_pylist()


def scan_command(sources: list[str], out: Path, processes: int) -> list[str]:
    """Return the command line of a quick scan of pixels only."""
    program = [sys.executable, "-m", "detect.cli", "scan", *sources, "--out", str(out)]
    return [*program, "--quick", "--no-provenance", "--json", "--processes", str(processes), "--device", "cpu"]


def rows_in(parts: Path) -> int:
    """Return the rows of all checkpoints."""
    try:
        return sum(pq.read_metadata(path).num_rows for path in parts.glob("part-*.parquet"))
    except OSError:
        return 0


def make_pictures(folder: Path, count: int) -> Path:
    """Write pictures of noise on a gradient, each with content of its own."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 200, SIDE)[None, :, None]
    for number in range(count):
        pixels = (ramp + rng.integers(0, 55, (SIDE, SIDE, 3))).astype(np.uint8)
        sink = io.BytesIO()
        Image.fromarray(pixels).save(sink, "JPEG", quality=85)
        (folder / f"{number:06d}.jpg").write_bytes(sink.getvalue())
    return folder


if __name__ == "__main__":
    main()

"""What the scan's own process spends on a row: reading the list, handing out, duplicates, checkpoints, the table.

python benchmarks/scan_driver.py --rows 20000

The judging processes answer at once, with a Report of the usual size, so that only the driver is measured: its CPU time
a row bounds how many files one scan can take, however many machines judge for it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
from pathlib import Path

from detect.analyzer import AnalyzerSettings
from detect.scan import ScanPlan, scan
from detect.scan.processes import Processes
from detect.scan.rows import empty_row

REPORT = json.dumps({"evidence": ["x" * 60 + str(number) for number in range(75)]})  # 5 kB, as of a photograph


def answer_at_once(link, settings, cpu_lanes, known):
    """Judge nothing; see `detect.scan.worker.serve` for the messages."""
    link.send(("ready",))
    try:
        while True:
            for place, item in link.recv():
                sha = hashlib.sha256(item.name.encode()).hexdigest()
                row = empty_row(item.name) | {"sha256": sha, "verdict": "inconclusive", "report": REPORT}
                link.send(("row", place, row))
    except (EOFError, OSError):
        os._exit(0)


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scan-driver-") as name:
        listed = Path(name) / "list.txt"
        listed.write_text("\n".join(f"s3://bucket/pictures/{number:09d}.jpg" for number in range(args.rows)))
        plan = ScanPlan((str(listed),), Path(name) / "t.parquet", settings=AnalyzerSettings(device="cpu"), processes=2)
        started = time.process_time()
        scan(
            plan,
            make_executor=lambda plan, known: Processes(plan.settings, known=known, count=2, target=answer_at_once),
        )
        used = time.process_time() - started
        size = plan.out.stat().st_size
    facts = {"rows": args.rows, "driver_cpu_us_a_row": round(1e6 * used / args.rows, 1)}
    print(json.dumps(facts | {"bytes_a_row": round(size / args.rows, 1), "load": os.getloadavg()}))


if __name__ == "__main__":
    main()

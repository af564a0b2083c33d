"""Scans whose workers, actors and node are killed, on a Ray cluster of two local nodes and without, against calm ones.

python benchmarks/scan_ray.py --files 500
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from detect.analyzer import AnalyzerSettings
from detect.scan import ScanPlan, scan
from detect.scan.ray import RayData

SETTINGS = AnalyzerSettings(device="cpu", locate=False, check_stability=False)


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=500)
    args = parser.parse_args()
    # Ray starts actors at niceness 15 and waits 60 s for them: too little beside other work on the machine.
    os.environ |= {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_worker_niceness": "0",
        "RAY_worker_register_timeout_seconds": "600",
    }
    # Ray prints what becomes of its nodes.
    with contextlib.redirect_stdout(sys.stderr), tempfile.TemporaryDirectory(prefix="scan-ray-") as name:
        found = measure(Path(name), args.files)
    print(json.dumps(found), flush=True)


def measure(folder: Path, count: int) -> dict[str, object]:
    """Scan four times and compare the tables."""
    from ray.cluster_utils import Cluster

    source = make_mixed(folder / "files", count)
    found: dict[str, object] = {"files": count}
    local, found["local_s"] = timed(lambda: run(source, folder / "local.parquet"))
    found["errors"] = sum(row["error_code"] is not None for row in local)
    found["duplicates"] = sum(row["duplicate_of"] is not None for row in local)
    found["kinds"] = sorted({str(row["kind"]) for row in local})
    worker = Faults({"worker": (0.4, kill_worker)})
    again, found["local_with_fault_s"] = timed(lambda: run(source, folder / "worker.parquet", on_rows=worker))
    found["local_with_fault"] = worker.told | compare(again, local)
    node = {"num_cpus": 1, "object_store_memory": 200 * 1024**2}
    cluster = Cluster(initialize_head=True, connect=False, head_node_args={"include_dashboard": False, **node})
    second = cluster.add_node(**node)
    cluster.wait_for_nodes()
    try:
        whole, found["ray_s"] = timed(lambda: run(source, folder / "ray.parquet", address=cluster.address))
        found["ray"] = compare(whole, local)
        faults = Faults(
            {
                "actor": (0.2, kill_actor),
                "node": (0.4, lambda: cluster.remove_node(second, allow_graceful=False)),
                "another actor": (0.7, kill_actor),
            }
        )
        broken, found["ray_with_faults_s"] = timed(
            lambda: run(source, folder / "faults.parquet", address=cluster.address, on_rows=faults)
        )
        found["ray_with_faults"] = faults.told | compare(broken, local)
    finally:
        import ray

        ray.shutdown()
        cluster.shutdown()
    return found | {"load": os.getloadavg()}


def compare(rows: list[dict], expected: list[dict]) -> dict[str, object]:
    """Return what a table has lost or doubled, and whether it is the same as another one."""
    names, wanted = [row["name"] for row in rows], [row["name"] for row in expected]
    return {
        "rows": len(rows),
        "lost": len(set(wanted) - set(names)),
        "doubled": len(names) - len(set(names)),
        "equal": rows == expected,
    }


class Faults:
    """Does harm once a share of the rows is there; tells after how many rows each was done."""

    def __init__(self, harm: dict[str, tuple[float, Callable[[], object]]]) -> None:
        self.told: dict[str, object] = {}
        self._harm = harm

    def __call__(self, rows: int, total: int) -> None:
        for name, (share, act) in self._harm.items():
            if name not in self.told and rows >= share * total:
                self.told[name] = f"killed after {rows} rows"
                act()
                return


def kill_actor() -> None:
    """Kill -9 one process that judges for Ray."""
    os.kill(next(pid for pid, title in titles() if title.startswith("ray::MapWorker")), signal.SIGKILL)


def kill_worker() -> None:
    """Kill -9 one process that judges for a scan here."""
    os.kill(next(child.pid for child in multiprocessing.active_children() if "scan" in child.name), signal.SIGKILL)


def titles() -> Iterator[tuple[int, str]]:
    """Yield the processes of this machine with the titles that Ray gives its own."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield int(path.parent.name), path.read_bytes().decode(errors="replace")
        except OSError:
            continue


def run(source: Path, out: Path, *, address: str | None = None, on_rows: Faults | None = None) -> list[dict]:
    """Return the rows of a scan, here or on the cluster, without timings."""
    plan = ScanPlan((str(source),), out, settings=SETTINGS, processes=2, chunk_items=8)
    total = sum(1 for _ in source.iterdir())
    scan(
        plan,
        make_executor=None if address is None else lambda plan, known: RayData(plan, address=address),
        on_progress=lambda summary: on_rows(summary.rows, total) if on_rows else None,
    )
    return pq.read_table(out).drop_columns(["elapsed_ms"]).to_pylist()


def timed(work):
    """Return the result of `work` and its seconds."""
    started = time.monotonic()
    result = work()
    return result, round(time.monotonic() - started, 1)


def make_mixed(folder: Path, count: int) -> Path:
    """Write pictures in four formats, recordings, copies, broken and empty files."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        kind = number % 10
        path = folder / f"{number:05d}"
        if kind == 7:
            write_sound(path.with_suffix(".wav"), rng)
        elif kind == 8:
            path.with_suffix(".jpg").write_bytes((folder / f"{number - 8:05d}.jpg").read_bytes())
        elif kind == 9:
            path.with_suffix(".png").write_bytes(b"" if number % 20 == 9 else picture(rng, "PNG")[: 300 + number])
        else:
            suffix, codec = ((".jpg", "JPEG"), (".png", "PNG"), (".webp", "WEBP"), (".gif", "GIF"))[kind % 4]
            path.with_suffix(suffix).write_bytes(picture(rng, codec))
    return folder


def picture(rng: np.random.Generator, codec: str) -> bytes:
    """Return a textured picture of a size between 96 and 420 pixels."""
    width, height = (int(side) for side in rng.integers(96, 420, 2))
    coarse = Image.fromarray(rng.integers(0, 255, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8))
    sink = io.BytesIO()
    coarse.resize((width, height), Image.Resampling.BICUBIC).save(sink, codec)
    return sink.getvalue()


def write_sound(path: Path, rng: np.random.Generator) -> None:
    """Write three seconds of a gliding buzz with pauses."""
    moments = np.arange(48_000) / 16_000
    pitch = 110 + 40 * rng.random() + 25 * np.sin(2 * np.pi * moments)
    tone = np.sign(np.sin(2 * np.pi * np.cumsum(pitch) / 16_000)) * np.abs(np.sin(2.5 * np.pi * moments))
    samples = (6000 * tone + 300 * rng.standard_normal(len(moments))).astype("<i2")
    with wave.open(str(path), "wb") as sink:
        sink.setnchannels(1)
        sink.setsampwidth(2)
        sink.setframerate(16_000)
        sink.writeframes(samples.tobytes())


if __name__ == "__main__":
    main()

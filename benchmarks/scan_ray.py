"""A scan on a Ray cluster of two local nodes against the same scan without Ray, and with actors and a node killed.

python benchmarks/scan_ray.py --files 500
"""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import tempfile
import threading
import time
import wave
from collections.abc import Iterator
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
        "RAY_worker_niceness": "0",
        "RAY_worker_register_timeout_seconds": "600",
    }
    with tempfile.TemporaryDirectory(prefix="scan-ray-") as name:
        print(json.dumps(measure(Path(name), args.files)), flush=True)


def measure(folder: Path, count: int) -> dict[str, object]:
    """Scan three times and compare the tables."""
    from ray.cluster_utils import Cluster

    source = make_mixed(folder / "files", count)
    found: dict[str, object] = {"files": count}
    local, found["local_s"] = timed(lambda: run(source, folder / "local.parquet"))
    cluster = Cluster(initialize_head=True, connect=False, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    try:
        whole, found["ray_s"] = timed(lambda: run(source, folder / "ray.parquet", address=cluster.address))
        found["rows"] = len(whole)
        found["ray_equals_local"] = whole == local
        faults = Faults(cluster, second)
        broken, found["ray_with_faults_s"] = timed(
            lambda: run(source, folder / "faults.parquet", address=cluster.address, on_rows=faults)
        )
        found |= {"killed": faults.done, "with_faults_equals_local": broken == local}
        found["errors"] = sum(row["error_code"] is not None for row in local)
        found["duplicates"] = sum(row["duplicate_of"] is not None for row in local)
        found["kinds"] = sorted({str(row["kind"]) for row in local})
    finally:
        import ray

        ray.shutdown()
        cluster.shutdown()
    return found | {"load": os.getloadavg()}


class Faults:
    """Kills an actor's process after a fifth of the rows, and the second node after two fifths."""

    def __init__(self, cluster: object, second: object) -> None:
        self.done: list[str] = []
        self._cluster = cluster
        self._second = second

    def __call__(self, rows: int, total: int) -> None:
        if rows >= total / 5 and not self.done:
            self.done.append(f"actor (pid {kill_actor()}) after {rows} rows")
        elif rows >= 2 * total / 5 and len(self.done) == 1:
            self.done.append(f"node after {rows} rows")
            # From another thread, as a node would go: without asking who is at work.
            threading.Thread(target=lambda: self._cluster.remove_node(self._second, allow_graceful=False)).start()


def kill_actor() -> int:
    """Kill -9 one process that judges."""
    pid = next(pid for pid, title in titles() if title.startswith("ray::MapWorker"))
    os.kill(pid, signal.SIGKILL)
    return pid


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

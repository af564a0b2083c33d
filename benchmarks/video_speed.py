"""How long a clip takes and how much memory: 60 seconds and 60 minutes of 720p H.264, by the command itself.

    python benchmarks/video_speed.py --work /tmp/speed [--cores 2] [--models-dir FOLDER]

Goals: the 60-second clip in 20 s on two cores with 2 GB at most, the 60-minute clip in three times that.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def make_minute(path: Path, *, seconds: int = 60, fps: int = 30, width: int = 1280, height: int = 720) -> None:
    """Encode a slow pan over a textured plane with grain: as hard to decode as handheld footage at 2-4 Mbit/s."""
    rng = np.random.default_rng(0)
    coarse = rng.normal(0, 1, (60, 100, 3))
    plane = np.kron(coarse, np.ones((24, 24, 1))) * 30 + 128
    plane += rng.normal(0, 8, plane.shape)
    plane = plane.clip(0, 255).astype(np.uint8)
    grain = [rng.normal(0, 4, (height, width, 1)).astype(np.int16) for _ in range(4)]
    with av.open(str(path), "w") as out:
        track = out.add_stream("libx264", rate=fps, options={"preset": "veryfast", "crf": "26"})
        track.width, track.height, track.pix_fmt = width, height, "yuv420p"
        for number in range(seconds * fps):
            x, y = int(400 + 390 * np.sin(number / 160)), int(300 + 290 * np.cos(number / 230))
            view = plane[y : y + height, x : x + width].astype(np.int16) + grain[number % 4]
            out.mux(track.encode(av.VideoFrame.from_ndarray(view.clip(0, 255).astype(np.uint8), format="rgb24")))
        out.mux(track.encode(None))


def repeat(source: Path, target: Path, times: int) -> None:
    """Join the same clip many times without encoding it again."""
    with av.open(str(target), "w") as out:
        track = None
        offset = 0
        for _ in range(times):
            with av.open(str(source)) as one:
                stream = one.streams.video[0]
                if track is None:
                    track = out.add_stream_from_template(stream)
                last = 0
                for packet in one.demux(stream):
                    if packet.dts is None:
                        continue
                    last = max(last, packet.pts + (packet.duration or 1))
                    packet.pts, packet.dts, packet.stream = packet.pts + offset, packet.dts + offset, track
                    out.mux(packet)
                offset += last


def measure(file: Path, *, cores: int, models_dir: str) -> dict[str, object]:
    """Run the command on some cores and return wall seconds, CPU seconds, peak memory of it and its children in MB."""
    command = [sys.executable, "-m", "detect.cli", "analyze", str(file), "--json", "--quick"]
    if models_dir:
        command += ["--models-dir", models_dir]
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    started, before = time.monotonic(), os.times()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, preexec_fn=lambda: os.sched_setaffinity(0, allowed))
    peak = [0]
    watcher = threading.Thread(target=_watch, args=(process, peak), daemon=True)
    watcher.start()
    out = process.communicate()[0]
    wall, after = time.monotonic() - started, os.times()
    report = json.loads(out.splitlines()[-1])
    frames = next(item for item in report["evidence"] if item["source"] == "video.frames")
    return {
        "clip_s": round(report["media"]["duration_s"]),
        "wall_s": round(wall, 1),
        "cpu_s": round(after.children_user + after.children_system - before.children_user - before.children_system, 1),
        "peak_mb": round(peak[0] / 1024),
        "samples": frames["details"].get("frames"),
        "timings_ms": report["timings_ms"],
    }


def _watch(process: subprocess.Popen[bytes], peak: list[int]) -> None:
    """Sum the resident memory of the process and its children every tenth of a second, in kB."""
    while process.poll() is None:
        total = 0
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                text = status.read_text()
            except OSError:
                continue
            fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
            if int(status.parent.name) == process.pid or int(fields["PPid"]) == process.pid:
                total += int(fields.get("VmRSS", "0 kB").split()[0])
        peak[0] = max(peak[0], total)
        time.sleep(0.1)


def main() -> None:
    """Make the clips, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--models-dir", default="")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    minute, hour = arguments.work / "minute.mp4", arguments.work / "hour.mp4"
    if not minute.exists():
        make_minute(minute)
    if not hour.exists():
        repeat(minute, hour, 60)
    print(f"{minute.stat().st_size * 8 / 60e6:.1f} Mbit/s, {Fraction(30)} frames/s, {arguments.cores} cores")
    print("| clip | wall | CPU | peak memory | samples |\n|---|---|---|---|---|")
    for file in (minute, hour):
        found = measure(file, cores=arguments.cores, models_dir=arguments.models_dir)
        print(
            f"| {found['clip_s']} s | {found['wall_s']} s | {found['cpu_s']} s | {found['peak_mb']} MB "
            f"| {found['samples']} |",
            flush=True,
        )
        print(json.dumps(found["timings_ms"]), file=sys.stderr)


if __name__ == "__main__":
    main()

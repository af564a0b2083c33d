"""How fast recordings are judged: a long MP3 end to end, a short WAV from a cold start, and the memory of three hours.

    taskset -c 0,1 python benchmarks/audio_speed.py --minutes 10 --out benchmarks/results/audio-speed-10min.json
    python benchmarks/audio_speed.py --minutes 180 --no-cold

The recording is made here: a sentence by espeak-ng over and over, so that every second of it is judged. On a machine
that does other work the wall clock says little: the speed of two idle cores that the processor time stands for is
printed too. A cold start is a new process of the command: the first on a machine, which makes its graphs, and a later
one, which finds them in the cache; the median of several.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

RATE_HZ = 16_000
TEXT = "The committee said on Tuesday that the old bridge was closed for repairs, and the phone kept ringing. " * 2
GOAL_RATIO, GOAL_COLD_S = 60.0, 3.0
"""What is asked for: times real time on two cores, and seconds to the first answer."""


def main() -> None:
    """Print the table, and write the figures as one JSON line where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--cold", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--starts", type=int, default=5, help="Cold starts of each sort.")
    parser.add_argument("--out", type=Path, help="File of the figures.")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        line = measure_long(Path(folder) / "long.mp3", args.minutes)
        if args.cold:
            line |= measure_cold(Path(folder) / "short.wav", starts=args.starts)
    print(as_table(line))
    if args.out:
        args.out.write_text(json.dumps(line) + "\n", encoding="utf-8")


def as_table(line: Mapping[str, float]) -> str:
    """Return the figures as a Markdown table, beside what is asked for."""
    rows = [
        "| what | wall, s | CPU, s | asked for | reached by the clock | if two idle cores share the CPU time |",
        "| --- | --- | --- | --- | --- | --- |",
        f"| {line['audio_s'] / 60:g} minutes of MP3, judged | {line['wall_s']:.2f} | {line['cpu_s']:.2f} "
        f"| {GOAL_RATIO:g} times real time | {line['times_real_time_wall']:.0f} times "
        f"| {line['times_real_time_if_two_idle_cores']:.0f} times |",
    ]
    for sort, words in (("first", "first start on a machine"), ("later", "later start")):
        if f"cold_{sort}_wall_s" in line:
            wall, used = line[f"cold_{sort}_wall_s"], line[f"cold_{sort}_cpu_s"]
            rows.append(
                f"| 5 s of WAV, {words} | {wall:.2f} | {used:.2f} | {GOAL_COLD_S:g} s | {wall:.2f} s "
                f"| at best {used / 2:.2f} s |"
            )
    return "\n".join(rows)


def measure_long(path: Path, minutes: float) -> dict[str, float]:
    """Judge one MP3 twice and time the second: models are loaded, as in a service."""
    from detect.analyzer import Analyzer, AnalyzerSettings

    write_mp3(path, minutes * 60)
    analyzer = Analyzer(AnalyzerSettings(device="cpu", check_stability=False))
    write_mp3(path.with_name("warm.mp3"), 10.0)
    analyzer.analyze(path.with_name("warm.mp3"))
    before, started = cpu_s(), time.perf_counter()
    report = analyzer.analyze(path)
    wall, used = time.perf_counter() - started, cpu_s() - before
    evidence = report.find("audio.speech")
    assert evidence is not None
    return {
        "audio_s": minutes * 60,
        "wall_s": round(wall, 2),
        "times_real_time_wall": round(minutes * 60 / wall, 1),
        "cpu_s": round(used, 2),
        "times_real_time_if_two_idle_cores": round(minutes * 60 / (used / 2), 1),
        "windows": int(evidence.details.get("windows", 0)),
        "peak_mb_this_process": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "peak_mb_largest_child": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
        **{f"{stage}_ms": round(value) for stage, value in report.timings_ms.items()},
    }


def measure_cold(path: Path, *, starts: int) -> dict[str, float]:
    """Start the command anew for a WAV of five seconds, with an empty cache of graphs and with a full one."""
    soundfile.write(path, make_voice()[: 5 * RATE_HZ], RATE_HZ, subtype="PCM_16")
    runs: dict[str, list[tuple[float, float]]] = {"first": [], "later": []}
    for _ in range(starts):
        with tempfile.TemporaryDirectory() as cache:
            for sort in runs:
                runs[sort].append(start_command(path, cache))
    return {
        f"cold_{sort}_{name}": round(statistics.median(values), 2)
        for sort, pairs in runs.items()
        for name, values in zip(("wall_s", "cpu_s"), zip(*pairs, strict=True), strict=True)
    }


def start_command(path: Path, cache: str) -> tuple[float, float]:
    """Return wall clock and processor time of one process of the command, its decoder's included."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "WITNESSMARK_CACHE": cache}
    before, started = cpu_s(), time.perf_counter()
    subprocess.run([sys.executable, "-m", "detect.cli", str(path)], check=True, capture_output=True, env=environment)
    return time.perf_counter() - started, cpu_s() - before


def cpu_s() -> float:
    """Return the processor time of this process and of all its children, running (the decoder) or ended."""
    times = os.times()
    total = times.user + times.system + times.children_user + times.children_system
    parents = {os.getpid()}
    stats = [stat for path in Path("/proc").glob("[0-9]*/stat") if (stat := read_stat(path))]
    for _ in range(4):
        parents |= {pid for pid, parent, _ in stats if parent in parents}
    return total + sum(used for pid, _, used in stats if pid in parents and pid != os.getpid())


def read_stat(path: Path) -> tuple[int, int, float] | None:
    """Return (process, parent, seconds used) of a process; None when it has gone."""
    try:
        fields = path.read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(path.parent.name), int(fields[1]), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def make_voice() -> npt.NDArray[np.float32]:
    """Return some seconds of speech at 16 kHz by espeak-ng: a made buzz would not pass the gate."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["espeak-ng", "-w", file.name, TEXT], check=True)
        wave, rate_hz = soundfile.read(file.name, dtype="float32")
    return soxr.resample(wave, rate_hz, RATE_HZ).astype(np.float32)


def write_mp3(path: Path, seconds: float) -> None:
    """Write an MP3 of that length, one sentence over and over, block by block, so that memory stays small."""
    voice = make_voice()
    left = int(seconds * RATE_HZ)
    with soundfile.SoundFile(path, "w", RATE_HZ, 1, format="MP3", subtype="MPEG_LAYER_III") as sink:
        while left > 0:
            sink.write(voice[:left])
            left -= len(voice)


if __name__ == "__main__":
    main()

"""How fast recordings are judged: a long MP3 end to end, a short WAV from a cold start, and the memory of three hours.

    taskset -c 0,1 python benchmarks/audio_speed.py --minutes 10
    python benchmarks/audio_speed.py --minutes 180 --no-cold

The recording is made here: a sentence by espeak-ng over and over, so that every second of it is judged. On a machine
that does other work the wall clock says little: the speed of two idle cores that the processor time stands for is
printed too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

RATE_HZ = 16_000
TEXT = "The committee said on Tuesday that the old bridge was closed for repairs, and the phone kept ringing. " * 2


def main() -> None:
    """Print one JSON line: seconds, times real time, and the peak of memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--cold", action=argparse.BooleanOptionalAction, default=True)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        line = measure_long(Path(folder) / "long.mp3", args.minutes)
        if args.cold:
            line |= measure_cold(Path(folder) / "short.wav")
    print(json.dumps(line))


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


def measure_cold(path: Path) -> dict[str, float]:
    """Start the command anew for a WAV of five seconds."""
    soundfile.write(path, make_voice()[: 5 * RATE_HZ], RATE_HZ, subtype="PCM_16")
    before, started = cpu_s(), time.perf_counter()
    command = [sys.executable, "-m", "detect.cli", str(path)]
    subprocess.run(command, check=False, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "2"})
    return {"cold_wall_s": round(time.perf_counter() - started, 2), "cold_cpu_s": round(cpu_s() - before, 2)}


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

"""How fast recordings are judged: a long MP3 end to end, a short WAV from a cold start, and the memory of three hours.

    taskset -c 0,1 python benchmarks/audio_speed.py --minutes 10
    python benchmarks/audio_speed.py --minutes 180 --no-cold

The recording is made here: a voice-like buzz with pauses, so that every second of it is judged. On a machine that does
other work the wall clock says little: the share of two idle cores that the processor time stands for is printed beside.
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

RATE_HZ = 16_000


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
    soundfile.write(path, make_voice(5.0), RATE_HZ, subtype="PCM_16")
    before, started = cpu_s(), time.perf_counter()
    command = [sys.executable, "-m", "detect.cli", str(path)]
    subprocess.run(command, check=False, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "2"})
    return {"cold_wall_s": round(time.perf_counter() - started, 2), "cold_cpu_s": round(cpu_s() - before, 2)}


def cpu_s() -> float:
    """Return the processor time of this process and of all its ended children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def make_voice(seconds: float) -> npt.NDArray[np.float32]:
    """Return a pulse train through moving resonances, with a pause every half second: the gate takes it for speech."""
    moments = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.7 * moments) + 10 * np.sin(2 * np.pi * 2.1 * moments)
    phase = np.cumsum(pitch) / RATE_HZ
    wave = np.zeros(len(moments))
    for harmonic in range(1, 30):
        hertz = harmonic * pitch
        first = 500 + 250 * np.sin(2 * np.pi * 1.9 * moments)
        second = 1500 + 500 * np.sin(2 * np.pi * 1.3 * moments + 1)
        gain = np.exp(-(((hertz - first) / 250) ** 2)) + 0.5 * np.exp(-(((hertz - second) / 300) ** 2)) + 0.02
        wave += gain * np.sin(2 * np.pi * harmonic * phase)
    wave *= np.clip(np.sin(2 * np.pi * 2.2 * moments), 0, 1) ** 0.3
    wave += 0.003 * np.random.default_rng(0).standard_normal(len(moments))
    return (0.4 * wave / np.abs(wave).max()).astype(np.float32)


def write_mp3(path: Path, seconds: float) -> None:
    """Write an MP3 of that length, ten seconds of voice over and over, block by block, so that memory stays small."""
    ten = make_voice(10.0)
    left = int(seconds * RATE_HZ)
    with soundfile.SoundFile(path, "w", RATE_HZ, 1, format="MP3", subtype="MPEG_LAYER_III") as sink:
        while left > 0:
            sink.write(ten[:left])
            left -= len(ten)


if __name__ == "__main__":
    main()

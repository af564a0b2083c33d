"""What a judgement costs: CPU seconds, peak memory and, where the machine tells, joules.

CPU time counts this process and its live and finished children, because decoding happens in a guarded child.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_RAPL = Path("/sys/class/powercap")


@dataclass(frozen=True)
class Meter:
    """One reading of the machine's counters."""

    wall_s: float
    cpu_s: float
    energy_j: float | None

    @classmethod
    def read(cls) -> Meter:
        """Read them now."""
        return cls(time.perf_counter(), cpu_seconds(), joules())

    def since(self, before: Meter) -> dict[str, float | None]:
        """Return what was spent, under the names of the predictions' columns."""
        has_energy = self.energy_j is not None and before.energy_j is not None and self.energy_j >= before.energy_j
        return {
            "ms": (self.wall_s - before.wall_s) * 1e3,
            "cpu_ms": (self.cpu_s - before.cpu_s) * 1e3,
            "peak_rss_mb": peak_memory_mb(),
            "joules": (self.energy_j or 0.0) - (before.energy_j or 0.0) if has_energy else None,
        }


def cpu_seconds() -> float:
    """Return CPU seconds used so far by this process, its finished children and its live ones."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system + sum(map(_live_cpu, _children()))


def peak_memory_mb() -> float:
    """Return the peak resident memory, MiB, of this process plus that of its live children; 0 when unknown."""
    return sum(_peak_of(pid) for pid in (os.getpid(), *_children()))


def joules() -> float | None:
    """Return the package energy counter of the machine, J, or None when it is not readable; it wraps now and then."""
    total = 0.0
    found = False
    for counter in sorted(_RAPL.glob("intel-rapl:[0-9]*/energy_uj")) if _RAPL.is_dir() else []:
        if counter.parent.name.count(":") > 1:
            continue  # a part of a package that is counted already
        try:
            total += int(counter.read_text()) / 1e6
            found = True
        except (OSError, ValueError):
            continue
    return total if found else None


def _children() -> list[int]:
    """Return the process ids of live children and grandchildren (Linux; elsewhere none)."""
    found: list[int] = []
    queue = [os.getpid()]
    while queue:
        pid = queue.pop()
        for listing in (_PROC / str(pid) / "task").glob("*/children") if _PROC.is_dir() else []:
            try:
                born = [int(word) for word in listing.read_text().split()]
            except (OSError, ValueError):
                continue
            found.extend(born)
            queue.extend(born)
    return found


def _live_cpu(pid: int) -> float:
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_of(pid: int) -> float:
    try:
        status = (_PROC / str(pid) / "status").read_text()
    except OSError:
        return 0.0
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0

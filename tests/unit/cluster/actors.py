"""Find and kill what Ray runs on this machine, without asking Ray."""

from __future__ import annotations

import os
import signal
from pathlib import Path


def kill_actor(title: str) -> int:
    """Kill -9 the first process whose title begins so; Ray names its actors `ray::Class...`."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            is_it = path.read_bytes().startswith(title.encode())
        except OSError:
            continue
        if is_it:
            os.kill(int(path.parent.name), signal.SIGKILL)
            return int(path.parent.name)
    raise AssertionError(f"no process is called {title}")

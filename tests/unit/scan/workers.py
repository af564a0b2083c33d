"""Stand-ins for the judging process: the same messages, no model. Imported by name in spawned processes."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from pathlib import Path

from detect.scan.rows import empty_row


def echo(link, settings, cpu_lanes, known, *, seconds=0.0):
    """Answer each item with the hash of its name; a name with `poison` kills the process, as a bad decoder would."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    link.send(("ready",))
    try:
        while True:
            for place, item in link.recv():
                if "poison" in item.name:
                    os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(seconds)
                link.send(("row", place, row_for(item.name)))
    except (EOFError, OSError):
        os._exit(0)


def slow_echo(link, settings, cpu_lanes, known):
    """Take a while for each item, so that there is time to be killed."""
    echo(link, settings, cpu_lanes, known, seconds=0.01)


def stillborn(link, settings, cpu_lanes, known):
    """End before anything was judged, as for lack of memory."""
    os._exit(9)


def refuses(link, settings, cpu_lanes, known):
    """Say that there is no model."""
    link.send(("failed", "unknown_model", "no model 'image'"))


def row_for(name: str) -> dict:
    """Return the row that `echo` gives; the part of a name before `#` is its content."""
    content = hashlib.sha256(Path(name).name.partition("#")[0].encode()).hexdigest()
    return empty_row(name) | {"sha256": content, "verdict": "inconclusive", "authenticity": 0.5, "report": f'"{name}"'}

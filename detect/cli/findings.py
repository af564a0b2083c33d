"""What a check of `witnessmark doctor` says: one line, how bad it is, and the line that mends it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Level(StrEnum):
    """How a check ended."""

    OK = "ok"
    NOTE = "note"  # an optional part is not there
    WARN = "warn"  # works, but less than it could
    FAIL = "fail"  # judging files will not work


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it is, and the line that mends it (empty when nothing is to be done)."""

    area: str
    level: Level
    text: str
    mend: str = ""


Check = Callable[[], Iterator[Finding]]


def pip_install(words: str) -> str:
    """Return the line that installs into the environment that runs now, as it can be pasted.

    `pip` alone, where the shell would find that of this environment; by the interpreter's full path elsewhere, since
    a command called by its path (`~/witnessmark/bin/witnessmark`) says nothing about which `pip` comes first.
    """
    found = shutil.which("pip")
    if found and os.path.samefile(Path(found).parent, Path(sys.executable).parent):
        return f"pip install {words}"
    return f"{shlex.quote(sys.executable)} -m pip install {words}"

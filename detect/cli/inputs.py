"""What the arguments of the command name: files, folders, patterns, standard input and lists."""

from __future__ import annotations

import glob
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from detect.errors import ConfigError
from detect.media.walk import walk

STDIN = "-"


@dataclass(frozen=True)
class Source:
    """One file to judge: the path to open, and how it is called in the Report."""

    path: str
    shown: str


def expand(arguments: Sequence[str], *, files_from: str | None = None, spool: Path) -> list[Source]:
    """Return every file that the arguments name, in the order given; folders and patterns in sorted order.

    A path or pattern that names nothing stays in the list as it is, so that it becomes an error of its own in the
    results instead of vanishing. A file named twice is judged twice.

    Args:
        arguments: Files, folders, patterns, or `-` for the bytes of one file on standard input.
        files_from: A file with one path a line (or NUL-separated), `-` for standard input.
        spool: An empty folder for what comes through standard input.

    Raises:
        ConfigError: Standard input is asked for twice, or the list cannot be read.
    """
    if list(arguments).count(STDIN) + (files_from == STDIN) > 1:
        raise ConfigError("standard input can be read once: give '-' one time, as a file or as --files-from")
    sources = [source for argument in arguments for source in _expand_one(argument, spool)]
    if files_from is not None:
        sources += [Source(path, path) for path in read_list(files_from)]
    return sources


def _expand_one(argument: str, spool: Path) -> Iterator[Source]:
    if argument == STDIN:
        yield Source(str(_spool_stdin(spool)), STDIN)
        return
    if os.path.isdir(argument):
        paths = list(walk(argument))
    elif glob.has_magic(argument) and not os.path.lexists(argument):
        paths = [path for match in sorted(glob.glob(argument, recursive=True)) for path in _match(match)]
    else:
        paths = [argument]
    # Nothing found: the argument itself goes on, and fails with its own message.
    yield from (Source(path, path) for path in paths or [argument])


def _match(path: str) -> list[str]:
    return list(walk(path)) if os.path.isdir(path) else [path]


def read_list(name: str) -> list[str]:
    """Return the paths of a list: one a line, or NUL-separated when it holds a NUL (as `find -print0` writes).

    Raises:
        ConfigError: The list cannot be read.
    """
    try:
        content = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
    except OSError as error:
        raise ConfigError(f"--files-from {name}: {error.strerror or error}") from error
    lines = content.split(b"\0") if b"\0" in content else content.splitlines()
    return [os.fsdecode(line) for line in lines if line.strip()]


def _spool_stdin(spool: Path) -> Path:
    """Write standard input to a file, since decoders need to seek."""
    if sys.stdin.isatty():
        print("Reading one file from standard input; end with Ctrl-D.", file=sys.stderr)
    path = spool / "stdin"
    with path.open("wb") as sink:
        shutil.copyfileobj(sys.stdin.buffer, sink)
    return path

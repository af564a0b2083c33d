"""Writing for people and pipelines: data goes to stdout, everything else to stderr."""

from __future__ import annotations

import os
import shutil
import sys

from detect.text import clean_text

MAX_WIDTH = 100
"""Columns of running text; wider terminals are left empty on the right, since long lines read badly."""


class OutputClosedError(Exception):
    """The reader of stdout went away (`witnessmark ... | head`); the run ends quietly."""


def emit(text: str) -> None:
    """Write to stdout at once, so that pipelines see each result when it is there.

    Raises:
        OutputClosedError: Nobody reads any more.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError as error:
        # The interpreter flushes once more at its end: give it something that accepts the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputClosedError from error


def tell(message: str) -> None:
    """Write one line to stderr, cleaned of what could act on a terminal."""
    print(clean_text(message, max_characters=2000), file=sys.stderr, flush=True)


def has_color() -> bool:
    """Say whether stdout takes colours, by the NO_COLOR and FORCE_COLOR conventions and the terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def text_width() -> int:
    """Return the columns for running text."""
    return min(shutil.get_terminal_size().columns, MAX_WIDTH)

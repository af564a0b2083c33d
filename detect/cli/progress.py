"""A progress bar on stderr for runs of more than a few files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FEW_FILES = 3
"""Up to this many files no bar is shown, and each gets its full card."""


@contextmanager
def progress_bar(total: int, *, noun: str = "Judging") -> Iterator[Callable[[], None]]:
    """Show a bar with rate and remaining time while the block runs; the block calls what it gets after each file.

    Nothing is shown for a few files, or when stderr is not a terminal.
    """
    if total <= FEW_FILES or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Results that share the terminal with the bar are printed above it; a pipe on stdout is never touched.
    is_shared = sys.stdout.isatty()
    bar = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=is_shared)
    with bar:
        task = bar.add_task(noun, total=total)
        yield lambda: bar.advance(task)

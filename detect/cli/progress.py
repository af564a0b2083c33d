"""Progress on stderr: a bar for runs of more than a few files, and one for measurements."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from detect.bench.progress import Progress
from detect.cli.output import tell

if TYPE_CHECKING:
    from types import TracebackType

FEW_FILES = 3
"""Up to this many files no bar is shown, and each gets its full card."""
_TELL_EVERY_S = 10.0


@contextmanager
def progress_bar(total: int, *, noun: str = "Judging") -> Iterator[Callable[[], None]]:
    """Show a bar with rate and remaining time while the block runs; the block calls what it gets after each file.

    Nothing is shown for a few files, or when stderr is not a terminal.
    """
    if total <= FEW_FILES or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Results that share the terminal with the bar are printed above it; a pipe on stdout is never touched.
    is_shared = sys.stdout.isatty()
    bar = RichProgress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=is_shared)
    with bar:
        task = bar.add_task(noun, total=total)
        yield lambda: bar.advance(task)


class BenchBar(Progress):
    """A progress bar on stderr; a plain line now and then when stderr is no terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._is_terminal = Console(stderr=True).is_terminal
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = RichProgress(*columns, console=Console(stderr=True), disable=not self._is_terminal)
        self._task = self._bar.add_task("reading", total=None)
        self._told = 0.0

    def __enter__(self) -> BenchBar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def update(self, done: int, total: int, what: str) -> None:
        """Show the rows done so far."""
        self._bar.update(self._task, completed=done, total=total, description=what)
        if not self._is_terminal and (done == total or time.monotonic() - self._told > _TELL_EVERY_S):
            self._told = time.monotonic()
            tell(f"{done}/{total} {what}")

    def note(self, what: str) -> None:
        """Show what is going on besides rows."""
        self._bar.update(self._task, description=what)

"""`witnessmark scan`: judge millions of files into one table."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detect.cli.analyze import BudgetOption, DeviceOption, ModelsOption, NoProvenanceOption, QuickOption
from detect.cli.output import emit, tell
from detect.text import clean_text

if TYPE_CHECKING:
    from detect.scan import ScanPlan, ScanSummary
    from detect.scan.run import Executor

_LINE_EVERY_S = 30.0
_HELP = """Judge every file of the sources into one Parquet table; stop it at any time, the same line goes on.

SOURCES are folders, patterns in quotes, tar archives (WebDataset), lists (.txt, .jsonl, .parquet), or any of these
behind a URL (s3://, gs://, https://); {000..012} stands for a run of numbers.

A file that cannot be judged is a row with its error. Exit codes: 0 the table is complete; 1 the run failed; 2 wrong
arguments; 130 interrupted."""


class EngineName(StrEnum):
    """Where a scan runs."""

    LOCAL = "local"
    RAY = "ray"


def register(app: typer.Typer) -> None:
    """Add `scan` to the command."""
    app.command("scan", help=_HELP)(scan_command)


def scan_command(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCES", show_default=False)],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The Parquet file to write.")],
    engine: Annotated[
        EngineName, typer.Option("--engine", help="local: processes of this machine; ray: a Ray cluster.")
    ] = EngineName.LOCAL,
    processes: Annotated[
        int, typer.Option("--processes", min=0, help="Processes, or Ray actors, that judge; 0 = as the machine allows.")
    ] = 0,
    is_fresh: Annotated[bool, typer.Option("--fresh", help="Start over; forget an earlier run.")] = False,
    locate: Annotated[bool, typer.Option("--locate", help="Keep heat maps in the reports (80 kB a picture).")] = False,
    max_false_positive_rate: BudgetOption = 0.02,
    device: DeviceOption = "auto",
    no_provenance: NoProvenanceOption = False,
    quick: QuickOption = False,
    models_dir: ModelsOption = None,
    part_rows: Annotated[int, typer.Option("--part-rows", min=1, help="Rows between two checkpoints.")] = 1000,
    is_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Run, or go on with, a scan."""
    from detect.analyzer import AnalyzerSettings
    from detect.scan import ScanPlan, scan

    settings = AnalyzerSettings(
        max_false_positive_rate=max_false_positive_rate,
        device=device,
        check_stability=not quick,
        locate=locate,
        read_provenance=not no_provenance,
        models_dir=models_dir,
    )
    plan = ScanPlan(tuple(sources), out, settings=settings, processes=processes, part_rows=part_rows)
    make_executor: Callable[[ScanPlan, Path], Executor] | None = None
    if engine is EngineName.RAY:
        from detect.scan import ray

        make_executor = ray.make_executor
    kept = signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite end keeps the rows that are there
    try:
        # Ray prints what becomes of its nodes, whatever it is told; stdout is the summary's.
        with redirect_stdout(sys.stderr), _progress() as show:
            summary = scan(plan, is_fresh=is_fresh, on_progress=show, make_executor=make_executor)
    except KeyboardInterrupt:
        tell("Interrupted; the same command goes on from here.")
        raise
    finally:
        signal.signal(signal.SIGTERM, kept)
    emit(_as_json(summary) if is_json else _in_words(summary, out))


@contextmanager
def _progress() -> Iterator[Callable[[ScanSummary], None]]:
    """Show how far the scan is: a bar on a terminal, a line now and then elsewhere."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    bar = Progress(BarColumn(), TextColumn("{task.description}"), console=Console(stderr=True), transient=True)
    with bar:
        task = bar.add_task("starting", total=None)
        yield lambda summary: bar.update(
            task, completed=summary.rows, total=summary.total, description=clean_text(_line(summary))
        )


class _Lines:
    """Prints a line of progress every half minute."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _LINE_EVERY_S

    def __call__(self, summary: ScanSummary) -> None:
        if time.monotonic() >= self._next:
            tell(_line(summary))
            self._next = time.monotonic() + _LINE_EVERY_S


def _line(summary: ScanSummary) -> str:
    of = f" of {summary.total}" if summary.total is not None else ""
    left = "" if summary.remaining_s is None else f", {_clock(summary.remaining_s)} left"
    faults = f", {summary.errors.total()} errors" if summary.errors else ""
    return f"{summary.rows}{of} files, {summary.rate:.1f}/s{left}{faults}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def _as_json(summary: ScanSummary) -> str:
    facts = {
        "rows": summary.rows,
        "resumed": summary.resumed,
        "verdicts": dict(summary.verdicts),
        "errors": dict(summary.errors),
        "duplicates": summary.duplicates,
        "elapsed_s": round(summary.elapsed_s, 3),
    }
    return json.dumps(facts) + "\n"


def _in_words(summary: ScanSummary, out: Path) -> str:
    """Return what a scan did, a few lines."""
    new = summary.rows - summary.resumed
    pace = f", {new / summary.elapsed_s:.1f} a second" if summary.elapsed_s else ""
    lines = [f"{summary.rows} rows in {clean_text(out)} ({new} judged now in {_clock(summary.elapsed_s)}{pace})"]
    if summary.resumed:
        lines.append(f"  {summary.resumed:>9} from an earlier run")
    lines += [f"  {count:>9} {name}" for name, count in summary.verdicts.most_common()]
    lines += [f"  {count:>9} not judged: {name}" for name, count in summary.errors.most_common()]
    if summary.duplicates:
        lines.append(f"  {summary.duplicates:>9} of them with the content of an earlier file")
    return "\n".join(lines) + "\n"

"""`witnessmark FILE...`, the main job: judge files and print what a person, or a pipeline, understands."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detect.cli.exits import EXIT_CODES_HELP, ExitCode
from detect.cli.inputs import STDIN, Source, expand
from detect.cli.output import emit, has_color, tell, text_width
from detect.cli.progress import FEW_FILES, progress_bar
from detect.types import Report, Verdict

if TYPE_CHECKING:
    from detect.analyzer import AnalyzerSettings

_HELP = f"""Judge pictures, recordings and clips, and say what the answer rests on.

FILES are files, folders (searched with everything below them), patterns in quotes, or - for the bytes of one file on
standard input. Results come in the order of the input; a file that cannot be judged does not stop the others.

{EXIT_CODES_HELP}"""

FilesArgument = Annotated[list[str] | None, typer.Argument(metavar="FILES", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one Report a line (JSON Lines) and nothing else.")]
HtmlOption = Annotated[
    Path | None,
    typer.Option(
        "--html", metavar="FILE", help="Also write one self-contained page with the heat maps; a PDF if so named."
    ),
]
BudgetOption = Annotated[
    float,
    typer.Option(
        "--max-false-positive-rate",
        metavar="SHARE",
        help="Accepted share of authentic files that may be accused, above 0 and at most 0.5.",
    ),
]
FailOnOption = Annotated[
    list[Verdict] | None,
    typer.Option(
        "--fail-on",
        metavar="VERDICT",
        help=f"Exit with 3 when this verdict occurs; may be given several times. One of: {', '.join(Verdict)}.",
    ),
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
NoProvenanceOption = Annotated[bool, typer.Option("--no-provenance", help="Do not read where files come from.")]
QuickOption = Annotated[bool, typer.Option("--quick", help="Do not check whether the answer survives re-encoding.")]
FilesFromOption = Annotated[
    str | None,
    typer.Option("--files-from", metavar="LIST", help="Also judge the files of this list, one a line; - for stdin."),
]
FullOption = Annotated[
    bool | None,
    typer.Option("--full/--brief", help=f"Full cards or one line a file; full up to {FEW_FILES} files if left out."),
]
ModelsOption = Annotated[
    Path | None, typer.Option("--models-dir", metavar="FOLDER", help="Use the models of this folder.")
]

DenseOption = Annotated[
    bool, typer.Option("--dense", help="Look at four frames a second of clips instead of a bounded number of moments.")
]
NoFacesOption = Annotated[bool, typer.Option("--no-faces", help="Do not look for swapped faces.")]
FaceDetectorOption = Annotated[
    Path | None,
    typer.Option("--face-detector", metavar="FILE", help="Find faces with this OpenCV YuNet file (.onnx)."),
]


def register(app: typer.Typer) -> None:
    """Add `analyze` to the command."""
    app.command("analyze", help=_HELP)(analyze)


def analyze(
    files: FilesArgument = None,
    is_json: JsonOption = False,
    html: HtmlOption = None,
    max_false_positive_rate: BudgetOption = 0.02,
    fail_on: FailOnOption = None,
    device: DeviceOption = "auto",
    no_provenance: NoProvenanceOption = False,
    quick: QuickOption = False,
    files_from: FilesFromOption = None,
    is_full: FullOption = None,
    models_dir: ModelsOption = None,
    dense: DenseOption = False,
    no_faces: NoFacesOption = False,
    face_detector: FaceDetectorOption = None,
) -> None:
    """Judge the files that the arguments name."""
    if not files and files_from is None:
        raise typer.BadParameter("name at least one file, folder or pattern, or give --files-from")
    from detect.analyzer import AnalyzerSettings

    settings = AnalyzerSettings(
        max_false_positive_rate=max_false_positive_rate,
        device=device,
        check_stability=not quick,
        read_provenance=not no_provenance,
        models_dir=models_dir,
        dense=dense,
        judge_faces=not no_faces,
        yunet=face_detector,
    )
    if html is not None:
        from detect.cli.page import check_target

        check_target(html)
    _hint_at_command(files or [])
    with tempfile.TemporaryDirectory(prefix="witnessmark-") as spool:
        sources = expand(files or [], files_from=files_from, spool=Path(spool))
        results: list[tuple[Source, Report]] = []
        counts: Counter[Verdict | None] = Counter()
        shown_full = len(sources) <= FEW_FILES if is_full is None else is_full
        with progress_bar(len(sources)) as advance:
            for number, (source, report) in enumerate(judge(sources, settings)):
                emit(_shown(report, is_json=is_json, is_full=shown_full, is_first=number == 0))
                counts[None if report.error else report.verdict] += 1
                if html is not None:
                    results.append((source, report))
                advance()
        if html is not None:
            from detect.cli.page import write_page

            write_page(html, results)
            tell(f"Wrote {html}")
    if not is_json and len(sources) > 1:
        emit(_summary(counts))
    raise typer.Exit(exit_code(counts, fail_on or ()))


def judge(sources: Sequence[Source], settings: AnalyzerSettings) -> Iterator[tuple[Source, Report]]:
    """Yield every source with its Report, in order; a file that fails has a Report with `error` set."""
    from detect.analyzer import Analyzer

    reports = Analyzer(settings).analyze_many(source.path for source in sources)
    for source, report in zip(sources, reports, strict=True):
        yield source, replace(report, path=STDIN) if source.shown == STDIN else report


def exit_code(counts: Counter[Verdict | None], fail_on: Sequence[Verdict]) -> ExitCode:
    """Return the exit code of a run, given how often each verdict occurred; None counts the failed files."""
    if any(counts[verdict] for verdict in fail_on):
        return ExitCode.FLAGGED
    return ExitCode.ERROR if counts[None] else ExitCode.OK


def _shown(report: Report, *, is_json: bool, is_full: bool, is_first: bool) -> str:
    if is_json:
        from detect.render.json import dumps

        return f"{dumps(report)}\n"
    from detect.render.text import format_report, format_row

    if is_full:
        return ("" if is_first else "\n") + format_report(report, width=text_width(), has_color=has_color())
    return format_row(report, width=text_width(), has_color=has_color())


def _summary(counts: Counter[Verdict | None]) -> str:
    """Return how often each verdict occurred, in words."""
    from detect.render.words import VERDICT_TITLES

    parts = [f"{counts[verdict]} {title.lower()}" for verdict, title in VERDICT_TITLES.items() if counts[verdict]]
    if counts[None]:
        parts.append(f"{counts[None]} could not be judged")
    return f"\n{counts.total()} files: {', '.join(parts)}\n"


def _hint_at_command(files: Sequence[str]) -> None:
    """Say on stderr when a first argument that is no file looks like a mistyped command."""
    from detect.cli.app import COMMANDS

    first = files[0] if files else ""
    near = difflib.get_close_matches(first, COMMANDS, n=1, cutoff=0.75)
    if near and not os.path.lexists(first):
        tell(f"There is no file {first!r}; did you mean the command: witnessmark {near[0]}")

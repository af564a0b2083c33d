"""`witnessmark bench`: numbers about any detector. Data go to stdout, progress to stderr."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from detect.bench.data.item import DataSet
    from detect.bench.detectors.base import Detector

ManifestOption = Annotated[
    Path, typer.Option("--manifest", help="Manifest, labelled folders, protocol or Croissant file.")
]
OutOption = Annotated[Path, typer.Option("--out", help="Folder of the run; an interrupted run in it goes on.")]

app = typer.Typer(no_args_is_help=True, help="Numbers about any detector, recomputable from its predictions.")


def register(parent: typer.Typer) -> None:
    """Add `bench` to the command."""
    parent.add_typer(app, name="bench")


def _measure(
    kind: str,
    manifest: Path,
    split: str,
    out: Path,
    *,
    limit: int,
    perturbations: list[str],
    detectors: list[str],
    train_split: str,
    layout: str,
    files: Path | None,
    seed: int,
    chunk: int,
    workers: int,
    device: str,
    peers: Path | None,
    peers_code: Path | None,
    retry_errors: bool,
    replicates: int,
) -> None:
    """Run what is missing, then write and print the report."""
    from detect.bench.data.source import read_data
    from detect.bench.detectors.resolve import ResolveSettings, resolve
    from detect.bench.perturb import get_perturbation
    from detect.bench.probe import medium_of
    from detect.bench.run import RunSettings, run

    data = read_data(manifest, kind=kind, splits=(split,) if split else (), layout=layout, files=files)
    data = _limited(data, limit)
    _tell_absent(data)
    settings = ResolveSettings(device=device, workers=workers, peers_dir=peers, peers_code=peers_code)
    specs = [*detectors, *_peer_specs(kind, detectors, settings)]
    resolved: list[Detector] = [resolve(spec, settings) for spec in specs]
    changes = [get_perturbation(name, media=medium_of(kind)) for name in perturbations]
    with _Progress() as progress:
        run(
            data,
            resolved,
            changes,
            out=out,
            settings=RunSettings(seed=seed, chunk=chunk, retry_errors=retry_errors),
            progress=progress.update,
            about={"manifest": str(manifest), "kind": kind, "split": split, "limit": limit},
        )
        if train_split:
            train = read_data(manifest, kind=kind, splits=(train_split,), layout=layout, files=files)
            _add_baseline(train, data, changes, out, seed, progress)
    _report(out, replicates)


def _peer_specs(kind: str, detectors: list[str], settings: Any) -> list[str]:
    """Return all runnable peers of this kind when --peers is given and none is asked for by name."""
    if settings.peers_dir is None or any("peer:" in spec for spec in detectors):
        return []
    from detect.bench.peers import find_peers

    names = find_peers(kind, peers_dir=settings.peers_dir, peers_code=settings.peers_code)
    typer.echo(f"peers: {', '.join(names) or 'none runnable'}", err=True)
    return [f"{name}=peer:{name}" for name in names]


def _limited(data: DataSet, limit: int) -> DataSet:
    from dataclasses import replace

    from detect.bench.data.item import take_balanced

    return data if limit <= 0 else replace(data, items=take_balanced(data.items, limit))


def _tell_absent(data: DataSet) -> None:
    absent = sum(data.absent.values())
    if absent:
        typer.echo(f"{absent} listed files are not on this machine; {len(data.items)} are judged", err=True)


def _add_baseline(train: DataSet, data: DataSet, changes: list[Any], out: Path, seed: int, progress: Any) -> None:
    """Add the trivial-feature baseline's rows, on the raw files and after each perturbation, where missing."""
    from detect.bench.perturb import PERTURBATIONS
    from detect.bench.store import PredictionStore
    from detect.bench.trivial import NAME, baseline_rows
    from detect.errors import ConfigError

    store = PredictionStore(out)
    rows = store.read()
    there = {(row.detector, row.perturbation) for row in rows}
    with store.lock():
        for change in [PERTURBATIONS.get("none"), *(change for change in changes if change.change is not None)]:
            if (NAME, change.id) in there:
                continue
            try:
                store.append(baseline_rows(train, data, change, done=rows, seed=seed, step=progress.note))
            except ConfigError as error:
                typer.echo(f"no trivial baseline: {error}", err=True)
        store.merge()


def _report(out: Path, replicates: int) -> None:
    from detect.bench.report import write_report
    from detect.bench.summary import SummarySettings
    from detect.bench.tables.markdown import render_report

    typer.echo(render_report(write_report(out, settings=SummarySettings(replicates=replicates))))
    typer.echo(f"written: {out}/predictions.parquet, metrics.json, report.md, report.html, tables.tex, plots/", err=True)


class _Progress:
    """A progress bar on stderr; plain lines now and then when stderr is no terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("reading", total=None)
        self._told = 0.0

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._bar.stop()

    def update(self, done: int, total: int, what: str) -> None:
        """Show the rows done."""
        self._bar.update(self._task, completed=done, total=total, description=what)
        self._tell(f"{done}/{total} {what}", last=done == total)

    def note(self, what: str) -> None:
        """Show what is going on besides rows."""
        self._bar.update(self._task, description=what)

    def _tell(self, text: str, *, last: bool) -> None:
        import time

        if not self._console.is_terminal and (last or time.monotonic() - self._told > 10):
            self._told = time.monotonic()
            typer.echo(text, err=True)


def _add_kind(kind: str) -> None:
    @app.command(kind, help=f"Judge the {kind} files of a manifest and print the tables.")
    def command(
        manifest: ManifestOption,
        out: OutOption,
        split: Annotated[str, typer.Option(help="Split to judge; empty = all rows.")] = "val",
        limit: Annotated[int, typer.Option(min=0, help="At most so many files, balanced; 0 = all.")] = 0,
        perturbation: Annotated[
            list[str] | None, typer.Option(help="Change before judging; may be repeated. Default: clean, laundered.")
        ] = None,
        detector: Annotated[
            list[str] | None,
            typer.Option(help="ours, module:callable, cmd:..., http://..., predictions file; may be repeated."),
        ] = None,
        train_split: Annotated[
            str, typer.Option(help="Split that the trivial baseline learns from; empty = no baseline.")
        ] = "train",
        layout: Annotated[
            str, typer.Option(help="auto, manifest, folders, asvspoof, in-the-wild, deepfakebench, croissant.")
        ] = "auto",
        files: Annotated[Path | None, typer.Option(help="Folder that relative paths start from.")] = None,
        seed: Annotated[int, typer.Option(help="Seed of the perturbations.")] = 0,
        chunk: Annotated[int, typer.Option(min=1, help="Files between two writes.")] = 32,
        workers: Annotated[int, typer.Option(min=1, help="Threads for functions, commands and servers.")] = 1,
        device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N.")] = "auto",
        peers: Annotated[Path | None, typer.Option(help="Folder of published detectors' weights.")] = None,
        peers_code: Annotated[Path | None, typer.Option(help="Folder of published detectors' checkouts.")] = None,
        retry_errors: Annotated[bool, typer.Option(help="Judge files again that failed before.")] = False,
        replicates: Annotated[int, typer.Option(min=0, help="Bootstrap replicates for intervals.")] = 1000,
    ) -> None:
        _measure(
            kind,
            manifest,
            split,
            out,
            limit=limit,
            perturbations=perturbation or ["clean", "laundered"],
            detectors=detector or ["ours"],
            train_split=train_split,
            layout=layout,
            files=files,
            seed=seed,
            chunk=chunk,
            workers=workers,
            device=device,
            peers=peers,
            peers_code=peers_code,
            retry_errors=retry_errors,
            replicates=replicates,
        )


for _kind in ("image", "audio", "video", "face", "music"):
    _add_kind(_kind)


@app.command("import")
def import_scores(
    scores: Annotated[Path, typer.Argument(help="Score file: CSV, JSON Lines, Parquet or ASVspoof text.")],
    manifest: ManifestOption,
    out: OutOption,
    kind: Annotated[str, typer.Option(help="image, audio, video, face, music.")] = "audio",
    name: Annotated[str, typer.Option(help="Word for the tables; default the file's.")] = "",
    split: Annotated[str, typer.Option(help="Split of the manifest; empty = all rows.")] = "",
    larger_is: Annotated[str, typer.Option(help="What a larger bare score means: synthetic or real.")] = "synthetic",
    layout: Annotated[str, typer.Option(help="Layout of --manifest; auto guesses.")] = "auto",
    replicates: Annotated[int, typer.Option(min=0, help="Bootstrap replicates for intervals.")] = 1000,
) -> None:
    """Measure scores that were made elsewhere; the media need not be on this machine."""
    from detect.bench.data.source import read_data
    from detect.bench.detectors.recorded import read_scores
    from detect.bench.run import import_predictions

    data = read_data(manifest, kind=kind, splits=(split,) if split else (), layout=layout)
    predictions = read_scores(scores, larger_is=larger_is)
    about = {"manifest": str(manifest), "scores": str(scores), "kind": kind}
    import_predictions(data, name or scores.stem, predictions, out=out, about=about)
    _report(out, replicates)


@app.command("report")
def report(
    folder: Annotated[Path, typer.Argument(help="Folder of a run.")],
    replicates: Annotated[int, typer.Option(min=0, help="Bootstrap replicates for intervals.")] = 1000,
) -> None:
    """Recompute all metrics and tables of a run from its predictions."""
    _report(folder, replicates)

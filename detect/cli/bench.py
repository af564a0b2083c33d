"""`witnessmark bench`: numbers about any detector. Tables go to stdout, progress to stderr."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from detect.cli.bench_options import (
    AsJson,
    Chunk,
    Detectors,
    Device,
    Files,
    Kind,
    Layout,
    Limit,
    Manifest,
    Out,
    Peers,
    PeersCode,
    Perturbations,
    Replicates,
    Seed,
    Split,
    TrainLimit,
    TrainSplit,
    Workers,
)
from detect.cli.exits import ExitCode
from detect.cli.output import emit, tell
from detect.cli.progress import BenchBar

app = typer.Typer(
    no_args_is_help=True, help="Measure detectors on labelled files; predictions first, tables from them."
)


def register(parent: typer.Typer) -> None:
    """Add `bench` to the command."""
    parent.add_typer(app, name="bench")


def _print(out: Path, metrics: dict[str, Any], *, as_json: bool) -> None:
    from detect.bench.tables.markdown import render_report

    emit(json.dumps(metrics, ensure_ascii=False) + "\n" if as_json else render_report(metrics) + "\n")
    tell(f"written: {out}/predictions.parquet, metrics.json, report.md, report.html, tables.tex, plots/")


def _add_kind(kind: str) -> None:
    @app.command(kind, help=f"Judge the {kind} files of a data set and print the tables.")
    def command(
        manifest: Manifest,
        out: Out,
        split: Split = "val",
        limit: Limit = 0,
        perturbation: Perturbations = None,
        detector: Detectors = None,
        train_split: TrainSplit = "train",
        train_limit: TrainLimit = 600,
        attack: Annotated[
            str,
            typer.Option(help="Also attack this white box by PGD: ours, a model folder, peer:NAME, module:callable."),
        ] = "",
        epsilon: Annotated[list[int] | None, typer.Option(help="Strength of the attack in grey levels.")] = None,
        layout: Layout = "auto",
        files: Files = None,
        seed: Seed = 0,
        chunk: Chunk = 32,
        workers: Workers = 1,
        device: Device = "auto",
        peers: Peers = None,
        peers_code: PeersCode = None,
        max_false_positive_rate: Annotated[float, typer.Option(help="Accusation budget of our verdicts.")] = 0.02,
        retry_errors: Annotated[bool, typer.Option(help="Judge files again that failed before.")] = False,
        replicates: Replicates = 1000,
        as_json: AsJson = False,
    ) -> None:
        from detect.bench.detectors.resolve import ResolveSettings
        from detect.bench.measure import BenchOptions, measure
        from detect.bench.run import RunSettings

        options = BenchOptions(
            kind=kind,
            manifest=manifest,
            out=out,
            split=split,
            train_split=train_split,
            train_limit=train_limit,
            detectors=tuple(detector or (("ours-faces",) if kind == "face" else ("ours",))),
            perturbations=tuple(perturbation or (() if attack else ("clean", "laundered"))),
            attack=attack,
            epsilons=tuple(epsilon or (0, 1, 2, 4, 8)),
            limit=limit,
            layout=layout,
            files=files,
            resolve=ResolveSettings(
                device=device,
                workers=workers,
                peers_dir=peers,
                peers_code=peers_code,
                max_false_positive_rate=max_false_positive_rate,
            ),
            run=RunSettings(seed=seed, chunk=chunk, retry_errors=retry_errors),
            replicates=replicates,
        )
        with BenchBar() as bar:
            metrics = measure(options, progress=bar, tell=tell)
        _print(out, metrics, as_json=as_json)


for _kind in ("image", "audio", "video", "face", "music"):
    _add_kind(_kind)


@app.command("report")
def report(
    folder: Annotated[Path, typer.Argument(help="Folder of a run.")],
    replicates: Replicates = 1000,
    as_json: AsJson = False,
) -> None:
    """Recompute all metrics and tables of a run from its predictions."""
    from detect.bench.report import write_report
    from detect.bench.summary import SummarySettings

    _print(folder, write_report(folder, settings=SummarySettings(replicates=replicates)), as_json=as_json)


@app.command("merge")
def merge(
    folders: Annotated[list[Path], typer.Argument(help="Folders of runs over the same data with the same seed.")],
    out: Out,
    replicates: Replicates = 1000,
    as_json: AsJson = False,
) -> None:
    """Join runs, e.g. of detectors that were measured on different machines, and report them together."""
    from detect.bench.report import merge_runs, write_report
    from detect.bench.summary import SummarySettings

    merge_runs(folders, out)
    _print(out, write_report(out, settings=SummarySettings(replicates=replicates)), as_json=as_json)


@app.command("import")
def import_scores(
    scores: Annotated[Path, typer.Argument(help="Score file: CSV, JSON Lines, Parquet or ASVspoof text.")],
    manifest: Manifest,
    out: Out,
    kind: Kind = "audio",
    name: Annotated[str, typer.Option(help="Word for the tables; default the file's.")] = "",
    split: Split = "",
    larger_is: Annotated[str, typer.Option(help="What a larger bare score means: synthetic or real.")] = "synthetic",
    layout: Layout = "auto",
    replicates: Replicates = 1000,
    as_json: AsJson = False,
) -> None:
    """Measure scores that were made elsewhere; the media need not be on this machine."""
    from detect.bench.data.source import read_data
    from detect.bench.detectors.recorded import read_scores
    from detect.bench.report import write_report
    from detect.bench.run import import_predictions
    from detect.bench.summary import SummarySettings

    data = read_data(manifest, kind=kind, splits=(split,) if split else (), layout=layout)
    about = {"manifest": str(manifest), "scores": str(scores), "kind": kind, "split": split}
    import_predictions(data, name or scores.stem, read_scores(scores, larger_is=larger_is), out=out, about=about)
    _print(out, write_report(out, settings=SummarySettings(replicates=replicates)), as_json=as_json)


@app.command("audit")
def audit(
    detector: Annotated[str, typer.Argument(help="Detector, as for --detector.")],
    manifest: Annotated[Path, typer.Argument(help="Manifest, labelled folders, protocol or Croissant file.")],
    out: Out,
    kind: Kind = "image",
    split: Split = "val",
    train_split: TrainSplit = "train",
    train_limit: TrainLimit = 300,
    limit: Limit = 0,
    layout: Layout = "auto",
    device: Device = "auto",
    workers: Workers = 1,
    peers: Peers = None,
    peers_code: PeersCode = None,
    replicates: Replicates = 1000,
    fail_if_leaky: Annotated[bool, typer.Option(help="Exit with 3 when the detector is leaky.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how much of a detector's AUROC vanishes when format, size and quality say nothing."""
    from detect.bench.audit import audit_table, run_audit
    from detect.bench.detectors.resolve import ResolveSettings
    from detect.bench.measure import BenchOptions
    from detect.bench.tables.markdown import render_table

    options = BenchOptions(
        kind=kind,
        manifest=manifest,
        out=out,
        split=split,
        train_split=train_split,
        train_limit=train_limit,
        detectors=(detector,),
        limit=limit,
        layout=layout,
        resolve=ResolveSettings(device=device, workers=workers, peers_dir=peers, peers_code=peers_code),
        replicates=replicates,
    )
    with BenchBar() as bar:
        found = run_audit(options, progress=bar, tell=tell)
    emit(json.dumps(found.to_dict(), ensure_ascii=False) + "\n" if as_json else render_table(audit_table(found)))
    if fail_if_leaky and found.is_leaky:
        raise typer.Exit(ExitCode.FLAGGED)


@app.command("leaks")
def leaks(
    manifest: Annotated[Path, typer.Argument(help="Manifest, labelled folders, protocol or Croissant file.")],
    kind: Kind = "image",
    layout: Layout = "auto",
    perceptual: Annotated[bool, typer.Option(help="Also look for near-copies (decodes every file).")] = True,
    fail_if_found: Annotated[bool, typer.Option(help="Exit with 3 when the splits share anything.")] = False,
) -> None:
    """Look for files, near-copies, sources and groups that several splits share; prints JSON."""
    from detect.bench.data.leaks import find_leaks
    from detect.bench.data.source import read_data

    with BenchBar() as bar:
        found = find_leaks(read_data(manifest, kind=kind, layout=layout), perceptual=perceptual, step=bar.note)
    emit(json.dumps(found.to_dict(), indent=1, ensure_ascii=False) + "\n")
    if fail_if_found and not found.is_clean:
        raise typer.Exit(ExitCode.FLAGGED)


@app.command("card")
def card(
    folder: Annotated[Path, typer.Argument(help="Folder of a run.")],
    model: Annotated[Path, typer.Option(help="Model folder that was judged; the card is written into it.")],
    detector: Annotated[str, typer.Option(help="Its name in the run.")] = "ours",
    replicates: Replicates = 1000,
) -> None:
    """Write what a model gets wrong beside its weights: error card, metrics.json and reliability.svg."""
    from detect.bench.cards import write_card

    emit(write_card(folder, model, detector=detector, replicates=replicates) + "\n")
    tell(f"written: {model}/error_card.json, ERROR_CARD.md, metrics.json, reliability.svg")


@app.command("quote")
def quote(
    documents: Annotated[list[Path], typer.Argument(help="Markdown files with `<!-- quote SOURCE WHAT -->` blocks.")],
    source: Annotated[
        list[str], typer.Option("--source", help="NAME=PATH: run folder, model folder, metrics.json or audit.json.")
    ],
    check: Annotated[bool, typer.Option(help="Change nothing; exit with 1 when a block differs.")] = False,
) -> None:
    """Write measured figures into the marked blocks of documents, so that none is typed by hand."""
    from detect.bench.quote import quote_files

    pairs = [text.partition("=") for text in source]
    if any(not mark for _, mark, _ in pairs):
        raise typer.BadParameter("--source is NAME=PATH")
    changed = quote_files(documents, {name: Path(path) for name, _, path in pairs}, is_dry=check)
    for file in changed:
        tell(f"{'differs' if check else 'written'}: {file}")
    if check and changed:
        raise typer.Exit(ExitCode.ERROR)


@app.command("croissant")
def croissant(
    manifest: Annotated[Path, typer.Argument(help="Manifest, labelled folders, protocol or Croissant file.")],
    out: Annotated[Path, typer.Option(help="Folder for croissant.json and records.csv.")],
    license_url: Annotated[str, typer.Option("--license", help="Address of the data set's licence.")],
    description: Annotated[str, typer.Option(help="What the data set is.")],
    limits: Annotated[str, typer.Option(help="Known biases, and what the set cannot show.")] = "",
    kind: Kind = "image",
    layout: Layout = "auto",
) -> None:
    """Describe a data set as Croissant JSON-LD."""
    from detect.bench.data.croissant import write_croissant
    from detect.bench.data.source import read_data

    data = read_data(manifest, kind=kind, layout=layout)
    file = write_croissant(data, out, license_url=license_url, description=description, limits=limits)
    tell(f"written: {file}, {file.parent}/records.csv ({len(data.items)} files)")


@app.command("list")
def list_parts(
    what: Annotated[str, typer.Argument(help="perturbations, peers or detectors.")] = "perturbations",
    kind: Kind = "image",
) -> None:
    """List what can be named: perturbations with their versions, peers with their licences, registered detectors."""
    from detect.bench.catalogue import describe

    emit(describe(what, kind=kind) + "\n")

"""One call for a whole measurement: data, detectors and perturbations in, report files and metrics out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from detect.bench.adversarial import AttackSettings, pgd, white_box
from detect.bench.data.item import DataSet, take_balanced
from detect.bench.data.source import read_data
from detect.bench.detectors.base import Detector
from detect.bench.detectors.resolve import ResolveSettings, resolve
from detect.bench.perturb import PERTURBATIONS, Perturbation, get_perturbation
from detect.bench.probe import medium_of
from detect.bench.progress import Progress
from detect.bench.report import write_report
from detect.bench.run import RunSettings, run
from detect.bench.store import PredictionStore
from detect.bench.summary import SummarySettings
from detect.bench.trivial import NAME as TRIVIAL
from detect.bench.trivial import baseline_rows
from detect.errors import ConfigError

Tell = Callable[[str], None]


@dataclass(frozen=True)
class BenchOptions:
    """What to measure.

    Attributes:
        kind: `image`, `audio`, `video`, `face` or `music`.
        manifest: Manifest, labelled folders, protocol or Croissant file.
        out: Folder of the run.
        split: Split to judge; empty = all rows.
        train_split: Split that the trivial baseline learns from; empty = no baseline.
        train_limit: At most so many training files are perturbed for the baseline, spread over origins.
        detectors: Words as `detect.bench.detectors.resolve` reads them.
        perturbations: Names.
        attack: White box that PGD attacks (see `detect.bench.adversarial.white_box`); empty = none.
        epsilons: Strengths of the attack in grey levels; 0 is the unattacked baseline.
        limit: At most so many files, balanced over labels and origins; 0 = all.
        layout: Layout of `manifest`.
        files: Folder that relative paths start from, where it is not the manifest's own.
        resolve: Device, threads, peers.
        run: Seed, chunk, retries.
        replicates: Bootstrap draws for intervals.
    """

    kind: str
    manifest: Path
    out: Path
    split: str = "val"
    train_split: str = "train"
    train_limit: int = 600
    detectors: tuple[str, ...] = ("ours",)
    perturbations: tuple[str, ...] = ("clean", "laundered")
    attack: str = ""
    epsilons: tuple[int, ...] = (0, 1, 2, 4, 8)
    limit: int = 0
    layout: str = "auto"
    files: Path | None = None
    resolve: ResolveSettings = field(default_factory=ResolveSettings)
    run: RunSettings = field(default_factory=RunSettings)
    replicates: int = 1000


def load_data(options: BenchOptions, *, split: str) -> DataSet:
    """Return the data of one split, cut to the limit."""
    splits = (split,) if split else ()
    data = read_data(options.manifest, kind=options.kind, splits=splits, layout=options.layout, files=options.files)
    return data if options.limit <= 0 else replace(data, items=take_balanced(data.items, options.limit))


def measure(
    options: BenchOptions, *, progress: Progress | None = None, tell: Tell = lambda text: None
) -> dict[str, Any]:
    """Score what is missing in the run folder, write the reports, return the metrics.

    Raises:
        ConfigError: An option is outside its range, or the folder holds another run.
    """
    progress = progress or Progress()
    data = load_data(options, split=options.split)
    if data.missing:
        tell(f"{len(data.missing)} listed files are not on this machine; {len(data.items)} are judged")
    changes = list_changes(options)
    run(
        data,
        list_detectors(options, tell),
        changes,
        out=options.out,
        settings=options.run,
        progress=progress.update,
        about={
            "manifest": str(options.manifest),
            "kind": options.kind,
            "split": options.split,
            "limit": options.limit,
        },
    )
    if options.train_split:
        _add_baseline(options, data, changes, progress, tell)
    return write_report(options.out, settings=SummarySettings(replicates=options.replicates))


def list_changes(options: BenchOptions) -> list[Perturbation]:
    """Return the perturbations, attacks last."""
    medium = medium_of(options.kind)
    changes = [get_perturbation(name, media=medium) for name in options.perturbations]
    if options.attack:
        if medium != "image":
            raise ConfigError(f"attacks are made on pictures, not on {options.kind}")
        settings = options.resolve
        device = "cpu" if settings.device == "auto" else settings.device
        box = white_box(options.attack, peers_dir=settings.peers_dir, peers_code=settings.peers_code, device=device)
        changes += [pgd(box, AttackSettings(epsilon)) for epsilon in options.epsilons]
    return changes


def list_detectors(options: BenchOptions, tell: Tell) -> list[Detector]:
    """Return the detectors; with a peers' folder and none asked for by name, all runnable peers of this kind too."""
    specs: Sequence[str] = options.detectors
    settings = options.resolve
    if settings.peers_dir is not None and not any("peer:" in spec for spec in (*specs, options.attack)):
        from detect.bench.peers import find_peers

        names = find_peers(options.kind, peers_dir=settings.peers_dir, peers_code=settings.peers_code)
        tell(f"peers: {', '.join(names) or 'none runnable'}")
        specs = [*specs, *(f"{name}=peer:{name}" for name in names)]
    return [resolve(spec, settings) for spec in specs]


def _add_baseline(
    options: BenchOptions, data: DataSet, changes: Sequence[Perturbation], progress: Progress, tell: Tell
) -> None:
    """Add the trivial-feature baseline's rows where missing: on the raw files and after each perturbation.

    Attacks are left out: they change no outside fact.
    """
    train = load_data(replace(options, limit=0), split=options.train_split)
    store = PredictionStore(options.out)
    rows = store.read()
    there = {(row.detector, row.perturbation) for row in rows}
    judged = [change for change in changes if change.change is not None and not change.name.startswith("pgd-")]
    with store.lock():
        for change in [PERTURBATIONS.get("none"), *judged]:
            if (TRIVIAL, change.id) in there:
                continue
            try:
                made = baseline_rows(
                    train,
                    data,
                    change,
                    done=rows,
                    seed=options.run.seed,
                    limit=options.train_limit,
                    step=progress.note,
                )
                store.append(made)
            except ConfigError as error:
                tell(f"no trivial baseline for {change.name}: {error}")
        store.merge()

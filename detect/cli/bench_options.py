"""Arguments that several commands of `witnessmark bench` take, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Manifest = Annotated[Path, typer.Option("--manifest", help="Manifest, labelled folders, protocol or Croissant file.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of the run; an interrupted run in it goes on.")]
Split = Annotated[str, typer.Option(help="Split to judge; empty = all rows.")]
TrainSplit = Annotated[str, typer.Option(help="Split that the trivial baseline learns from; empty = no baseline.")]
TrainLimit = Annotated[int, typer.Option(min=20, help="At most so many training files for the baseline.")]
Limit = Annotated[int, typer.Option(min=0, help="At most so many files, balanced; 0 = all.")]
Layout = Annotated[
    str, typer.Option(help="auto, manifest, folders, asvspoof, in-the-wild, deepfakebench or croissant.")
]
Detectors = Annotated[
    list[str] | None,
    typer.Option(
        "--detector", help="ours, ours-cheap, ours@FOLDER, peer:NAME, module:callable, cmd:..., http://..., a file."
    ),
]
Perturbations = Annotated[
    list[str] | None, typer.Option("--perturbation", help="Change before judging. Default: clean, laundered.")
]
Files = Annotated[Path | None, typer.Option(help="Folder that relative paths start from.")]
Seed = Annotated[int, typer.Option(help="Seed of the perturbations.")]
Chunk = Annotated[int, typer.Option(min=1, help="Files between two writes.")]
Workers = Annotated[int, typer.Option(min=1, help="Threads for functions, commands and servers.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N.")]
Peers = Annotated[Path | None, typer.Option("--peers", help="Folder of published detectors' weights.")]
PeersCode = Annotated[Path | None, typer.Option(help="Folder of published detectors' checkouts.")]
Replicates = Annotated[int, typer.Option(min=0, help="Bootstrap draws for intervals; 0 = none.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the metrics as JSON.")]
Kind = Annotated[str, typer.Option(help="image, audio, video, face or music.")]

"""One file in, one explained Report out: the object that the command, the API, the bench and users call."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from detect.types import Report

FileLike = str | os.PathLike[str] | bytes | BinaryIO


@dataclass(frozen=True)
class AnalyzerSettings:
    """Every knob of the analysis, with unit, range and default.

    Attributes:
        max_false_positive_rate: Accepted share of authentic files that may be accused, in (0, 0.5].
        prior_log_odds: Natural-log prior odds of synthetic or manipulated; 0 = even.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        check_stability: Also score re-shipped copies and abstain when the verdict flips.
        locate: Also make heat maps.
        read_provenance: Also read C2PA and metadata.
        models_dir: A folder of model folders instead of the shipped one.
    """

    max_false_positive_rate: float = 0.02
    prior_log_odds: float = 0.0
    device: str = "auto"
    check_stability: bool = True
    locate: bool = True
    read_provenance: bool = True
    models_dir: Path | None = None


@dataclass
class Analyzer:
    """Holds loaded models, device and settings; safe to call from several threads."""

    settings: AnalyzerSettings = field(default_factory=AnalyzerSettings)

    def analyze(self, file: FileLike, *, name: str | None = None) -> Report:
        """Return the Report of one file.

        Raises:
            WitnessmarkError: With a stable `code`; nothing about the file could be judged.
        """
        raise NotImplementedError

    def analyze_many(self, files: Iterable[FileLike]) -> Iterator[Report]:
        """Yield one Report a file in the order given; a file that fails yields a Report with `error` set."""
        raise NotImplementedError

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decides a Report besides the file: versions, weights, settings."""
        raise NotImplementedError


def analyze(file: FileLike, *, settings: AnalyzerSettings | None = None) -> Report:
    """Return the Report of one file with the shipped models; see `Analyzer.analyze`."""
    raise NotImplementedError


def analyze_many(files: Iterable[FileLike], *, settings: AnalyzerSettings | None = None) -> Iterator[Report]:
    """Yield Reports in the order given; see `Analyzer.analyze_many`."""
    raise NotImplementedError

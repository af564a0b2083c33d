"""One file in, one explained Report out: the object that the command, the API, the bench and users call."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

from detect.analyzer.core import Analyzer, failed_report
from detect.analyzer.prepare import FileLike
from detect.analyzer.settings import AnalyzerSettings
from detect.types import Report

__all__ = ["Analyzer", "AnalyzerSettings", "FileLike", "analyze", "analyze_many", "failed_report"]

_lock = threading.Lock()
_held: Analyzer | None = None


def analyze(file: FileLike, *, settings: AnalyzerSettings | None = None) -> Report:
    """Return the Report of one file with the shipped models; models stay loaded between calls.

    Raises:
        WitnessmarkError: With a stable `code`; see `Analyzer.analyze`.
    """
    return _analyzer_for(settings or AnalyzerSettings()).analyze(file)


def analyze_many(files: Iterable[FileLike], *, settings: AnalyzerSettings | None = None) -> Iterator[Report]:
    """Yield Reports in the order given; see `Analyzer.analyze_many`."""
    return _analyzer_for(settings or AnalyzerSettings()).analyze_many(files)


def _analyzer_for(settings: AnalyzerSettings) -> Analyzer:
    """Return one Analyzer for the module-level doors, made anew only when the settings change."""
    global _held
    with _lock:
        if _held is None or _held.settings != settings:
            _held = Analyzer(settings)
        return _held

"""What a scan is asked to do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detect.analyzer import AnalyzerSettings
from detect.errors import ConfigError


@dataclass(frozen=True)
class ScanPlan:
    """A scan: from where, to where, and how.

    Attributes:
        sources: Folders, patterns, files, archives, lists and fsspec URLs; see `detect.scan.sources`.
        out: The Parquet file to write; its working folder stands beside it until it is done.
        settings: Every knob of the analysis.
        processes: Processes that judge; 0 = one a core, or, with GPUs, half the cores but at least one a GPU.
        part_rows: Rows between two checkpoints.
        part_s: Seconds after which a checkpoint is written even with fewer rows.
        chunk_items: Files handed to a process at once.
        chunk_bytes: Most bytes that travel with one chunk (members of archives that must be read in order).
    """

    sources: tuple[str, ...]
    out: Path
    settings: AnalyzerSettings = field(default_factory=lambda: AnalyzerSettings(locate=False))
    processes: int = 0
    part_rows: int = 1000
    part_s: float = 30.0
    chunk_items: int = 16
    chunk_bytes: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        if not self.sources:
            raise ConfigError("a scan needs at least one source")
        for name, least in (("processes", 0), ("part_rows", 1), ("chunk_items", 1), ("chunk_bytes", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, not {getattr(self, name)}")
        if self.out.is_dir():
            raise ConfigError(f"--out {self.out} is a folder; name the Parquet file to write")

    @property
    def work(self) -> Path:
        """The folder of checkpoints, beside the result so that both are on one disk."""
        return self.out.with_name(self.out.name + ".parts")

    def identity(self, pipeline: Mapping[str, Any]) -> dict[str, Any]:
        """Return what decides the rows: a scan goes on only with the same."""
        return {
            "sources": list(self.sources),
            "pipeline": dict(pipeline),
            "locate": self.settings.locate,
            "limits": repr(self.settings.limits),
            "provenance": repr(self.settings.provenance),
        }


def digest(identity: Mapping[str, Any]) -> str:
    """Return the SHA-256 of an identity."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

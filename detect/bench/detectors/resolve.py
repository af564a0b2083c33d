"""From the word on the command line to a detector.

ours                         our Analyzer, default settings, provenance off
ours-cheap                   the same without the stability check
ours-faces                   the same, scored by faces alone
ours@FOLDER                  our Analyzer with the models of another folder
peer:NAME                    a published detector (needs --peers)
NAME                         one that a package registered (entry points `witnessmark.detectors`)
package.module:callable      anyone's function or class
file.py:callable             the same, from a file
cmd:COMMAND {file}           a command line
http://... https://...       a server
predictions.parquet          predictions made elsewhere (.parquet, .csv, .jsonl)
WORD=any of these            under another name
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from detect.bench.detectors.base import Detector
from detect.bench.detectors.command import CommandDetector
from detect.bench.detectors.function import load_function
from detect.bench.detectors.recorded import load_recorded
from detect.bench.detectors.server import ServerDetector
from detect.errors import ConfigError
from detect.registry import Registry

_OURS = ("ours", "ours-cheap", "ours-faces")
ENTRY_POINT_GROUP = "witnessmark.detectors"
DETECTORS: Registry[Callable[[], Detector]] = Registry("detector")
_RENAMED = re.compile(r"^(?P<name>[\w.-]+)=(?P<spec>.+)$", re.DOTALL)


@dataclass(frozen=True)
class ResolveSettings:
    """What detectors may need: device, threads, the peers' weights and code, the accusation budget."""

    device: str = "auto"
    workers: int = 1
    timeout_s: float = 120.0
    peers_dir: Path | None = None
    peers_code: Path | None = None
    max_false_positive_rate: float = 0.02


def resolve(spec: str, settings: ResolveSettings = ResolveSettings()) -> Detector:
    """Return the detector that `spec` names.

    Raises:
        ConfigError: Nothing of the known forms, or it cannot be loaded.
    """
    match = _RENAMED.match(spec)
    if match is None:
        return _resolve(spec, "", settings)
    return _resolve(match["spec"], match["name"], settings)


def _resolve(spec: str, name: str, settings: ResolveSettings) -> Detector:
    if spec.partition("@")[0] in _OURS:
        return _ours(spec, name, settings)
    if spec.startswith("peer:"):
        from detect.bench.peers import load_peer

        loaded = load_peer(
            spec.removeprefix("peer:"),
            peers_dir=settings.peers_dir,
            peers_code=settings.peers_code,
            device="cpu" if settings.device == "auto" else settings.device,
        )
        return _rename(loaded, name)
    if spec.startswith("cmd:"):
        command = spec.removeprefix("cmd:")
        return CommandDetector(name or command.split()[0], command, settings.timeout_s, settings.workers)
    if spec.startswith(("http://", "https://")):
        return ServerDetector(name or spec, spec, settings.timeout_s, settings.workers)
    if Path(spec).suffix.lower() in (".parquet", ".csv", ".tsv", ".jsonl") and Path(spec).is_file():
        return load_recorded(Path(spec), name=name)
    registered = registered_detectors()
    if spec in registered:
        return _rename(registered[spec](), name)
    if ":" in spec:
        return load_function(spec, name=name, workers=settings.workers)
    known = ", ".join([*_OURS, *sorted(registered)])
    raise ConfigError(
        f"no detector {spec!r} (known: {known}; or module:callable, cmd:..., http://..., a .parquet file)"
    )


def _ours(spec: str, name: str, settings: ResolveSettings) -> Detector:
    from detect.bench.detectors.ours import FACES, PRIMARY, AnalyzerDetector

    word, _, folder = spec.partition("@")
    if folder and not Path(folder).is_dir():
        raise ConfigError(f"models folder {folder} does not exist")
    return AnalyzerDetector(
        name=name or (f"{word}@{Path(folder).name}" if folder else word),
        check_stability=word == "ours",
        models_dir=Path(folder) if folder else None,
        device=settings.device,
        max_false_positive_rate=settings.max_false_positive_rate,
        primary=FACES if word == "ours-faces" else PRIMARY,
    )


def registered_detectors() -> dict[str, Callable[[], Detector]]:
    """Return the makers of detectors by name: those of this process, then those of installed packages."""
    found: dict[str, Callable[[], Detector]] = {name: DETECTORS.get(name) for name in DETECTORS.list()}
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        found.setdefault(entry.name, _from_entry_point(entry))
    return found


def _from_entry_point(entry: Any) -> Callable[[], Detector]:
    def make() -> Detector:
        detector = entry.load()()
        if not isinstance(detector, Detector):
            raise ConfigError(
                f"entry point {entry.name} ({entry.value}) made no detector: name, fingerprint, predict_many"
            )
        return detector

    return make


def _rename(detector: Detector, name: str) -> Detector:
    if not name:
        return detector
    return _Renamed(detector, name)


@dataclass(frozen=True)
class _Renamed:
    """A detector under another word."""

    detector: Detector
    name: str

    @property
    def fingerprint(self) -> str:
        return self.detector.fingerprint

    def predict_many(self, paths: Any) -> Any:
        return self.detector.predict_many(paths)

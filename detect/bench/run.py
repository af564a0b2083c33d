"""Items x perturbations x detectors -> predictions; resumable, one bad file is a row.

Files are perturbed a chunk at a time into a temporary folder, given to every detector that still misses them, scored,
written and removed: a set of any size needs the disk of one chunk, and a killed run loses at most one chunk's work.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from detect.bench import cost
from detect.bench.data.item import DataSet, Item
from detect.bench.detectors.base import Detector, Prediction, check_detectors
from detect.bench.detectors.function import FunctionDetector
from detect.bench.perturb import Perturbation
from detect.bench.probe import FileFacts, medium_of, probe
from detect.bench.store import PredictionStore, Row
from detect.errors import ConfigError

RUN_VERSION = "1"
_PACKAGES = ("witnessmark", "numpy", "pillow", "torch", "timm", "scikit-learn", "av", "soundfile", "onnxruntime")

Progress = Callable[[int, int, str], None]
"""(rows done, rows in all, what is going on)."""


@dataclass(frozen=True)
class RunSettings:
    """Knobs of a run.

    Attributes:
        seed: Of the perturbations.
        chunk: Files perturbed and scored between two writes, >= 1.
        retry_errors: Score rows again that ended in an error.
    """

    seed: int = 0
    chunk: int = 32
    retry_errors: bool = False

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise ConfigError(f"chunk must be at least 1, not {self.chunk}")


def run(
    data: DataSet,
    detectors: Sequence[Detector],
    perturbations: Sequence[Perturbation],
    *,
    out: Path,
    settings: RunSettings = RunSettings(),
    progress: Progress | None = None,
    about: Mapping[str, Any] | None = None,
) -> list[Row]:
    """Score what is missing in `out` and return all rows.

    Args:
        data: The items.
        detectors: Each with its own name.
        perturbations: Applied one after another; the same changed file goes to every detector.
        out: Folder of the run; an interrupted run in it goes on.
        settings: Seed, chunk and retries.
        progress: Called after every row.
        about: JSON-ready facts to keep in `run.json` (the command line, the manifest's path).

    Raises:
        ConfigError: The folder holds a run of other data, detectors, perturbations or seed.
    """
    check_detectors(detectors)
    if not data.items:
        raise ConfigError(f"{data.name}: no file of the data set is present ({sum(data.absent.values())} are listed)")
    store = PredictionStore(out)
    with store.lock():
        _write_run_facts(out, data, detectors, perturbations, settings, about or {})
        if settings.retry_errors:
            store.replace([row for row in store.read() if not row.error])
        done = store.keys()
        names = [(detector, change) for change in perturbations for detector in detectors]
        wanted = {(detector.name, change.id, item.id) for detector, change in names for item in data.items}
        counter = _Counter(len(wanted & done), len(wanted), progress)
        for change in perturbations:
            for rows in _run_perturbation(data.items, detectors, change, done, settings, counter):
                store.append(rows)
        store.merge()
        return [row for row in store.read() if row.key in wanted]


@dataclass
class _Counter:
    """Rows done so far, told to the caller."""

    done: int
    total: int
    progress: Progress | None

    def step(self, what: str) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total, what)


def _run_perturbation(
    items: Sequence[Item],
    detectors: Sequence[Detector],
    change: Perturbation,
    done: set[tuple[str, str, str]],
    settings: RunSettings,
    counter: _Counter,
) -> Iterator[list[Row]]:
    """Yield the missing rows of one perturbation, a chunk and detector at a time."""
    missing = [item for item in items if any((d.name, change.id, item.id) not in done for d in detectors)]
    for start in range(0, len(missing), settings.chunk):
        chunk = missing[start : start + settings.chunk]
        with tempfile.TemporaryDirectory(prefix="witnessmark-bench-") as folder:
            copies = {item.id: _perturb(item, change, Path(folder), settings.seed) for item in chunk}
            for detector in detectors:
                todo = [item for item in chunk if (detector.name, change.id, item.id) not in done]
                yield list(_score(todo, detector, change, copies, counter))


@dataclass(frozen=True)
class _Copy:
    """The file that detectors get, or why there is none."""

    file: Path | None
    facts: FileFacts | None
    error: str = ""


def _perturb(item: Item, change: Perturbation, folder: Path, seed: int) -> _Copy:
    try:
        file = change.apply(item.file, folder, item_id=item.id, seed=seed)
        return _Copy(file, probe(file, medium=medium_of(item.kind)))
    except Exception as error:  # codecs raise anything on broken files: one bad file is a row
        return _Copy(None, None, error=f"perturbation: {type(error).__name__}: {error}"[:300])


def _score(
    items: Sequence[Item],
    detector: Detector,
    change: Perturbation,
    copies: Mapping[str, _Copy],
    counter: _Counter,
) -> Iterator[Row]:
    usable = [item for item in items if copies[item.id].file is not None]
    paths = [file for item in usable if (file := copies[item.id].file) is not None]
    answers = detector.predict_many(paths)
    for item in items:
        if copies[item.id].file is None:
            yield _to_row(item, detector, change, copies[item.id], Prediction(error=copies[item.id].error))
            counter.step(f"{detector.name} {change.name}")
    for item in usable:
        before = cost.Meter.read()
        try:
            answer = next(answers)
        except StopIteration:
            raise ConfigError(f"{detector.name} gave fewer answers than files; predict_many yields one each") from None
        spent = cost.Meter.read().since(before)
        yield _to_row(item, detector, change, copies[item.id], answer, **spent)
        counter.step(f"{detector.name} {change.name}")


def _to_row(
    item: Item, detector: Detector, change: Perturbation, copy: _Copy, answer: Prediction, **spent: float | None
) -> Row:
    facts = copy.facts or FileFacts(bytes=0)
    return Row(
        detector=detector.name,
        perturbation=change.id,
        id=item.id,
        sha256=item.sha256,
        kind=item.kind,
        label=str(item.label),
        origin=item.origin,
        group=item.group,
        split=item.split,
        slices=json.dumps(dict(item.slices), sort_keys=True) if item.slices else "",
        score=answer.score,
        raw=answer.raw,
        p_synthetic=answer.p_synthetic,
        verdict=answer.verdict,
        error=answer.error,
        file_bytes=facts.bytes,
        file_format=facts.format,
        width=facts.width,
        height=facts.height,
        duration_s=facts.duration_s,
        sample_rate_hz=facts.sample_rate_hz,
        fps=facts.fps,
        **spent,
    )


def import_predictions(
    data: DataSet,
    name: str,
    predictions: Mapping[str, Prediction],
    *,
    out: Path,
    about: Mapping[str, Any] | None = None,
) -> list[Row]:
    """Write the rows of a score file made elsewhere, by item id; the media themselves need not be there.

    Raises:
        ConfigError: No item of the data set has a prediction.
    """
    items = [*data.items, *data.missing]
    if not any(item.id in predictions for item in items):
        raise ConfigError(f"none of the {len(items)} items of {data.name} has a row in the score file")
    none = Perturbation("none", 1, "any", "The file as it is.", None)
    detector = FunctionDetector(name=name, predict=lambda path: None, fingerprint="imported")
    missing = Prediction(error="not in the score file")
    copy = _Copy(None, None)
    store = PredictionStore(out)
    with store.lock():
        everything = DataSet(data.name, tuple(items))
        _write_run_facts(out, everything, [detector], [none], RunSettings(), about or {})
        done = store.keys()
        rows = [_to_row(item, detector, none, copy, predictions.get(item.id, missing)) for item in items]
        store.append([row for row in rows if row.key not in done])
        store.merge()
        return [row for row in store.read() if row.detector == name]


def _write_run_facts(
    out: Path,
    data: DataSet,
    detectors: Sequence[Detector],
    perturbations: Sequence[Perturbation],
    settings: RunSettings,
    about: Mapping[str, Any],
) -> None:
    """Write `run.json`, or check that the one there describes a run that this one may continue."""
    facts = {
        "version": RUN_VERSION,
        "data": data.name,
        "data_hash": data.hash,
        "items": data.count(),
        "absent": [
            {"label": label, "origin": origin, "files": files} for (label, origin), files in sorted(data.absent.items())
        ],
        "detectors": {detector.name: detector.fingerprint for detector in detectors},
        "perturbations": [change.id for change in perturbations],
        "seed": settings.seed,
        "environment": {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
        | _versions(),
        "about": dict(about),
    }
    file = out / "run.json"
    if file.is_file():
        facts = _continue(json.loads(file.read_text(encoding="utf-8")), facts, out)
    hidden = file.with_suffix(".tmp")
    hidden.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    hidden.replace(file)


def _continue(before: Mapping[str, Any], now: dict[str, Any], out: Path) -> dict[str, Any]:
    """Return the joined facts: a run may gain detectors and perturbations, never change what it has."""
    for key in ("version", "data_hash", "seed"):
        if before[key] != now[key]:
            raise ConfigError(f"{out} holds a run with another {key}; choose another --out")
    for name, fingerprint in now["detectors"].items():
        if before["detectors"].get(name, fingerprint) != fingerprint:
            raise ConfigError(f"{out} holds rows of another version of detector {name!r}; choose another --out")
    perturbations = list(dict.fromkeys([*before["perturbations"], *now["perturbations"]]))
    return now | {"detectors": {**before["detectors"], **now["detectors"]}, "perturbations": perturbations}


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found

"""Anyone's function `predict(path) -> float` as a detector."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detect.bench.detectors.base import Prediction
from detect.errors import ConfigError


@dataclass(frozen=True)
class FunctionDetector:
    """Calls `predict(path)` for each file, in `workers` threads when the function allows several at once."""

    name: str
    predict: Callable[[str], object]
    fingerprint: str
    workers: int = 1

    def predict_many(self, paths: Sequence[Path]) -> Iterator[Prediction]:
        """Yield predictions in order; an exception of the function becomes the row's `error`."""
        if self.workers <= 1:
            yield from map(self._predict_one, paths)
            return
        with ThreadPoolExecutor(self.workers) as pool:
            yield from pool.map(self._predict_one, paths)

    def _predict_one(self, path: Path) -> Prediction:
        try:
            return Prediction.of_answer(self.predict(str(path)))
        except Exception as error:  # the border to foreign code: one bad file is a row
            return Prediction(error=f"{type(error).__name__}: {error}"[:300])


def load_function(spec: str, *, name: str = "", workers: int = 1) -> FunctionDetector:
    """Return the detector of `module:callable`, or `file.py:callable`.

    A class is instantiated without arguments and must have `predict` or be callable.

    Raises:
        ConfigError: The module or the callable does not exist.
    """
    target, fingerprint = load_target(spec)
    if inspect.isclass(target):
        target = target()
    function = target if callable(target) else getattr(target, "predict", None)
    if function is None:
        raise ConfigError(f"{spec} is neither callable nor has predict()")
    return FunctionDetector(name=name or spec, predict=function, fingerprint=fingerprint, workers=workers)


def load_target(spec: str) -> tuple[Any, str]:
    """Return what `module:attribute` or `file.py:attribute` names, and a fingerprint of its source.

    Raises:
        ConfigError: The module or the attribute does not exist.
    """
    place, _, attribute = spec.rpartition(":")
    if not place:
        raise ConfigError(f"{spec!r} is not of the form module:callable")
    module = _import_file(Path(place)) if place.endswith(".py") else _import_module(place)
    target = getattr(module, attribute, None)
    if target is None:
        raise ConfigError(f"{place} has no {attribute!r}")
    return target, _fingerprint(spec, module)


def _import_module(place: str) -> Any:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # a console script does not see the working folder; a user's module lies there
    try:
        return importlib.import_module(place)
    except ImportError as error:
        raise ConfigError(f"cannot import {place}: {error}") from error


def _import_file(path: Path) -> Any:
    import importlib.util

    if not path.is_file():
        raise ConfigError(f"detector file {path} does not exist")
    spec = importlib.util.spec_from_file_location(f"witnessmark_detector_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _fingerprint(spec: str, module: Any) -> str:
    """Name the function by its spec and the hash of its file, so that a resumed run notices an edit."""
    file = getattr(module, "__file__", None)
    source = Path(file).read_bytes() if file and Path(file).is_file() else b""
    return f"{spec}@{hashlib.sha256(source).hexdigest()[:16]}"

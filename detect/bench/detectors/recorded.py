"""A file of predictions made elsewhere as a detector: the bench joins it by SHA-256, id, path or name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

from detect.bench.data.manifest import read_rows
from detect.bench.detectors.base import Prediction
from detect.errors import ConfigError

_KEYS = ("sha256", "file", "path", "name", "id")


@dataclass(frozen=True)
class RecordedDetector:
    """Looks each file up by the SHA-256 of its bytes, its full path, then its name.

    Recorded scores belong to unchanged files: run it with the perturbation `none`.
    """

    name: str
    answers: Mapping[str, Mapping[str, Any]]
    fingerprint: str

    def predict_many(self, paths: Sequence[Path]) -> Iterator[Prediction]:
        """Yield the recorded predictions; a file that was not recorded is an error row."""
        for path in paths:
            with path.open("rb") as handle:
                digest = file_digest(handle, "sha256").hexdigest()
            found = next((self.answers[key] for key in (digest, str(path), path.name) if key in self.answers), None)
            yield Prediction(error="not in the predictions file") if found is None else Prediction.of_answer(found)


def load_recorded(file: Path, *, name: str = "") -> RecordedDetector:
    """Return the detector of a CSV, JSON Lines or Parquet file.

    Columns: one of `sha256`, `file`, `path`, `name`, `id`; and `p_synthetic`, `authenticity`, `llr` or `score`.

    Raises:
        ConfigError: No row can be found again.
    """
    answers: dict[str, Mapping[str, Any]] = {}
    for row in read_rows(file):
        answer = {
            key: (row[key] if key == "verdict" else float(row[key]))
            for key in ("p_synthetic", "authenticity", "llr", "score", "verdict")
            if row.get(key) not in (None, "")
        }
        for key in _KEYS:
            if row.get(key):
                answers.setdefault(str(row[key]), answer)
    if not answers:
        raise ConfigError(f"{file} has no row with {', '.join(_KEYS[:-1])} or {_KEYS[-1]}")
    with file.open("rb") as handle:
        digest = file_digest(handle, "sha256").hexdigest()
    return RecordedDetector(name=name or file.stem, answers=answers, fingerprint=f"recorded {digest[:16]}")

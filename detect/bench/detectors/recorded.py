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


def read_scores(file: Path, *, larger_is: str = "synthetic") -> dict[str, Prediction]:
    """Return predictions by item id of a score file: CSV, JSON Lines, Parquet, or ASVspoof's text form.

    Text lines hold the id first and the score last (`LA_E_2834763 A11 spoof -8.55`); that score is unbounded and only
    ranks. Tables have a column `id` and one of `p_synthetic`, `authenticity`, `llr`, `score`.

    Args:
        file: The score file.
        larger_is: What a larger bare score means; ASVspoof's scores grow with `real`.

    Raises:
        ConfigError: A line without a number, or `larger_is` is neither `real` nor `synthetic`.
    """
    if larger_is not in ("real", "synthetic"):
        raise ConfigError(f"larger_is must be real or synthetic, not {larger_is!r}")
    sign = 1.0 if larger_is == "synthetic" else -1.0
    if file.suffix.lower() == ".txt":
        return dict(_text_scores(file, sign))
    found = {}
    for row in read_rows(file):
        answer = {key: value for key, value in _answer(row).items() if key != "score"}
        if row.get("score") not in (None, ""):
            answer["score"] = sign * float(row["score"])
        found[str(row.get("id", ""))] = Prediction.of_answer(answer)
    return found


def _text_scores(file: Path, sign: float) -> Iterator[tuple[str, Prediction]]:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            yield words[0], Prediction(score=sign * float(words[-1]))
        except ValueError as error:
            raise ConfigError(f"{file} line {number} does not end in a number") from error


def _answer(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: (row[key] if key == "verdict" else float(row[key]))
        for key in ("p_synthetic", "authenticity", "llr", "score", "verdict")
        if row.get(key) not in (None, "")
    }


def load_recorded(file: Path, *, name: str = "") -> RecordedDetector:
    """Return the detector of a CSV, JSON Lines or Parquet file.

    Columns: one of `sha256`, `file`, `path`, `name`, `id`; and `p_synthetic`, `authenticity`, `llr` or `score`.

    Raises:
        ConfigError: No row can be found again.
    """
    answers: dict[str, Mapping[str, Any]] = {}
    for row in read_rows(file):
        answer = _answer(row)
        for key in _KEYS:
            if row.get(key):
                answers.setdefault(str(row[key]), answer)
    if not answers:
        raise ConfigError(f"{file} has no row with {', '.join(_KEYS[:-1])} or {_KEYS[-1]}")
    with file.open("rb") as handle:
        digest = file_digest(handle, "sha256").hexdigest()
    return RecordedDetector(name=name or file.stem, answers=answers, fingerprint=f"recorded {digest[:16]}")

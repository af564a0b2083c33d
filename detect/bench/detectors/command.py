"""A command line as a detector: run once a file, it prints a number or a JSON object."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from detect.bench.detectors.base import Prediction
from detect.errors import ConfigError


@dataclass(frozen=True)
class CommandDetector:
    """Runs `command` with `{file}` replaced by the path (appended when there is no `{file}`).

    No shell is involved. The last line that the command prints is read: a number is P(synthetic), an object is read
    as `Prediction.of_answer` says. Exit codes other than 0 are errors unless a score was printed (our own command
    exits 3 when it flags a file).
    """

    name: str
    command: str
    timeout_s: float = 120.0
    workers: int = 1

    def __post_init__(self) -> None:
        if not shlex.split(self.command):
            raise ConfigError("an empty command cannot judge files")

    @property
    def fingerprint(self) -> str:
        """Return the command line: the bench cannot see behind it."""
        return f"command {self.command}"

    def predict_many(self, paths: Sequence[Path]) -> Iterator[Prediction]:
        """Yield predictions in order, `workers` commands at a time."""
        with ThreadPoolExecutor(max(1, self.workers)) as pool:
            yield from pool.map(self._predict_one, paths)

    def _predict_one(self, path: Path) -> Prediction:
        words = shlex.split(self.command)
        if "{file}" in self.command:
            words = [word.replace("{file}", str(path)) for word in words]
        else:
            words.append(str(path))
        try:
            done = subprocess.run(  # noqa: S603 - the user's own command, without a shell
                words, capture_output=True, text=True, timeout=self.timeout_s, stdin=subprocess.DEVNULL, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return Prediction(error=f"{type(error).__name__}: {error}"[:300])
        answer = parse_output(done.stdout)
        if answer is None or (answer.score is None and done.returncode):
            last = done.stderr.strip().splitlines()[-1:] or ["nothing on stderr"]
            return Prediction(error=f"exit code {done.returncode}: {last[0]}"[:300])
        return answer


def parse_output(text: str) -> Prediction | None:
    """Return the prediction of the last line printed, or None when nothing was printed."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    try:
        return Prediction.of_answer(json.loads(lines[-1]))
    except json.JSONDecodeError:
        return Prediction.of_answer(lines[-1].split()[-1])

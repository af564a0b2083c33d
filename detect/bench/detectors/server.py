"""A server as a detector: POST a file, read a JSON answer."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from detect.bench.detectors.base import Prediction
from detect.errors import ConfigError

_RESULT_KEYS = ("report", "result")


@dataclass(frozen=True)
class ServerDetector:
    """Sends each file as `multipart/form-data` field `file` and reads the answer as `Prediction.of_answer` says.

    Our own service is asked to answer at once (`Prefer: wait`); an answer that holds the Report under `report` or
    `result` is unwrapped. Headers (for a key) come from the caller and are not part of the fingerprint.
    """

    name: str
    url: str
    timeout_s: float = 120.0
    workers: int = 1
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise ConfigError(f"{self.url!r} is not an http or https address")

    @property
    def fingerprint(self) -> str:
        """Return the address: the bench cannot see behind it."""
        return f"server {self.url}"

    def predict_many(self, paths: Sequence[Path]) -> Iterator[Prediction]:
        """Yield predictions in order, `workers` requests at a time."""
        with ThreadPoolExecutor(max(1, self.workers)) as pool:
            yield from pool.map(self._predict_one, paths)

    def _predict_one(self, path: Path) -> Prediction:
        boundary = uuid.uuid4().hex
        body = _multipart(path, boundary)
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Prefer": "wait=30", **self.headers}
        request = urllib.request.Request(self.url, data=body, headers=headers, method="POST")  # noqa: S310 - checked
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_s) as answer:  # noqa: S310 - checked
                return Prediction.of_answer(_unwrap(json.load(answer)))
        except urllib.error.HTTPError as error:
            return Prediction(error=f"HTTP {error.code}: {error.read(200).decode('utf-8', 'replace')}"[:300])
        except (OSError, ValueError) as error:
            return Prediction(error=f"{type(error).__name__}: {error}"[:300])


def _multipart(path: Path, boundary: str) -> bytes:
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()


def _unwrap(answer: Any) -> Any:
    if isinstance(answer, Mapping):
        for key in _RESULT_KEYS:
            if isinstance(answer.get(key), Mapping):
                return answer[key]
    return answer

"""One JSON object a line on stderr; no file names, no URLs, no exception messages of files."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType

_FIELDS = ("request_id", "trace_id", "method", "route", "status", "ms")


class JsonFormatter(logging.Formatter):
    """Formats records; of exceptions it keeps the types and the places, never the messages, which quote files."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {name: value for name in _FIELDS if (value := getattr(record, name, None)) is not None}
        if record.exc_info and record.exc_info[1] is not None:
            entry["error"] = _chain(record.exc_info[1])
        return json.dumps(entry)


def configure(level: str) -> None:
    """Send all logging of this process to stderr as JSON.

    The level holds for our own code and the server. What other libraries say below a warning may quote what they were
    given (statements with their values, addresses, parts of files), so it is never written.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for own in ("api", "detect", "uvicorn"):
        logging.getLogger(own).setLevel(level.upper())
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
    for chatty in ("weasyprint", "fontTools", "python_multipart"):  # each unknown style; each odd byte of a caller
        logging.getLogger(chatty).setLevel(logging.ERROR)


def _chain(error: BaseException) -> list[dict[str, object]]:
    """Return the error and what caused it, each as its type and where it passed."""
    chain: list[dict[str, object]] = []
    current: BaseException | None = error
    while current is not None and len(chain) < 5:
        chain.append({"type": type(current).__qualname__, "at": _places(current.__traceback__)})
        current = current.__cause__ or current.__context__
    return chain


def _places(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)[-12:]
    return [f"{frame.filename.rsplit('/', 2)[-1]}:{frame.lineno} {frame.name}" for frame in frames]

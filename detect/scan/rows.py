"""The table of a scan: one row a file, the same on every run apart from `elapsed_ms`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from detect.errors import EngineError, WitnessmarkError
from detect.render.json import dumps
from detect.types import Report

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]

COPIED = (
    "bytes",
    "kind",
    "format",
    "width",
    "height",
    "duration_s",
    "verdict",
    "authenticity",
    "authenticity_low",
    "authenticity_high",
    "reasons",
)
"""What the row of a file with known content takes over from the first one."""


def schema() -> pa.Schema:
    """Return the table's schema; `report` is the whole Report as JSON without timings, for first files only."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("index", pa.int64(), nullable=False),
            pa.field("name", pa.string(), nullable=False),
            ("sha256", pa.string()),
            ("bytes", pa.int64()),
            ("kind", pa.string()),
            ("format", pa.string()),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("duration_s", pa.float64()),
            ("verdict", pa.string()),
            ("authenticity", pa.float64()),
            ("authenticity_low", pa.float64()),
            ("authenticity_high", pa.float64()),
            ("reasons", pa.list_(pa.string())),
            ("error_code", pa.string()),
            ("error_message", pa.string()),
            ("duplicate_of", pa.string()),
            ("report", pa.string()),
            ("elapsed_ms", pa.float64()),
        ]
    )


def row_of(name: str, report: Report) -> Row:
    """Return the row of a judged file."""
    shown = plain_name(name)
    elapsed = round(sum(report.timings_ms.values()), 2)
    facts, interval = report.media, report.interval
    row = empty_row(name)
    row |= {
        "verdict": report.verdict.value,
        "authenticity": report.authenticity,
        "authenticity_low": None if interval is None else interval.low,
        "authenticity_high": None if interval is None else interval.high,
        "reasons": [reason.code for reason in report.reasons],
        "report": dumps(replace(report, path=shown, timings_ms={})),
        "elapsed_ms": elapsed,
    }
    if facts is not None:
        row |= {key: getattr(facts, key) for key in ("sha256", "bytes", "format", "width", "height", "duration_s")}
        row["kind"] = facts.kind.value
    return row


def error_row(name: str, error: WitnessmarkError, *, sha256: str | None = None) -> Row:
    """Return the row of a file that could not be judged."""
    from detect.text import clean_text

    message = clean_text(error, max_characters=1000)
    return empty_row(name) | {"sha256": sha256, "error_code": error.code, "error_message": message}


def left_out_row(name: str, deaths: int) -> Row:
    """Return the row of a file that ended every process that judged it."""
    return error_row(name, EngineError(f"the process that judged this file ended {deaths} times; it was left out"))


def known_row(name: str, sha256: str) -> Row:
    """Return the row of a file whose content was judged before; who puts rows in order fills it in."""
    return empty_row(name) | {"sha256": sha256, "duplicate_of": ""}


def empty_row(name: str) -> Row:
    """Return a row with every column but `index`."""
    return {
        "name": plain_name(name),
        "sha256": None,
        **dict.fromkeys(COPIED),
        "reasons": [],
        "error_code": None,
        "error_message": None,
        "duplicate_of": None,
        "report": None,
        "elapsed_ms": None,
    }


def copy_known(row: Row, first: Mapping[str, Any]) -> Row:
    """Return the row of a file with the content of an earlier one: its answer, without its Report."""
    return row | {key: first[key] for key in COPIED} | {"duplicate_of": first["name"], "report": None}


def to_table(rows: Sequence[Row]) -> pa.Table:
    """Return rows as a table of `schema`."""
    import pyarrow as pa

    return pa.Table.from_pylist(list(rows), schema=schema())


def plain_name(name: str) -> str:
    """Return a name that is valid UTF-8: bytes of a file name that are not show as `\\xNN`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")

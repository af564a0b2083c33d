"""A Report as JSON: one line for pipelines, several for people."""

from __future__ import annotations

import json
import re
from typing import Any

from detect.serialize import report_to_dict
from detect.types import Report

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def dumps(report: Report, *, is_pretty: bool = False) -> str:
    """Return the JSON form of a Report (`docs/report.schema.json`), without a trailing line feed.

    The text is pure ASCII: control, direction-changing and other acting characters of hostile names are written as
    `\\uXXXX` escapes, so that it can be read on a terminal. Names that are not UTF-8 show the odd bytes as `\\xNN`,
    since many JSON readers refuse lone surrogates.

    Args:
        report: The Report.
        is_pretty: Indent by two spaces; otherwise one line (JSON Lines).
    """
    plain = report_to_dict(report)
    text = _encode(plain, is_pretty)
    if "\\ud" in text:  # a surrogate, lone or one of a pair: rare, and only then worth looking at every string
        text = _encode(_without_surrogates(plain), is_pretty)
    return text.replace("\x7f", "\\u007f")  # DEL is ASCII, and still acts on terminals


def _encode(plain: Any, is_pretty: bool) -> str:
    indent, separators = (2, (",", ": ")) if is_pretty else (None, (",", ":"))
    return json.dumps(plain, ensure_ascii=True, allow_nan=False, indent=indent, separators=separators)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, str) and _LONE_SURROGATE.search(value):
        # U+DC80..DCFF stand for undecodable bytes (PEP 383); any other lone surrogate is shown as \\uNNNN.
        is_from_bytes = all("\udc80" <= item <= "\udcff" for item in _LONE_SURROGATE.findall(value))
        raw = value.encode("utf-8", "surrogateescape" if is_from_bytes else "backslashreplace")
        return raw.decode("utf-8", "backslashreplace")
    return value

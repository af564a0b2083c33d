"""Lists of files: text, JSON Lines and Parquet, local or remote, read a piece at a time.

A list names files by path or URL; relative ones are looked for beside the list. A Parquet list may also carry the bytes
(a column `bytes`, or a struct of `bytes` and `path` as Hugging Face data sets have it).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from detect.errors import ConfigError
from detect.scan.items import Item, is_url, open_url

PLACE_KEYS = ("path", "url", "uri", "file", "file_name", "filename", "file_path", "image_path")
"""Names of the field that says where the file is; the first one present counts."""
BYTES_KEYS = ("bytes", "image", "audio", "video", "file")
LINE_SUFFIXES = (".txt", ".jsonl", ".ndjson")
PARQUET_SUFFIXES = (".parquet", ".pq")
_ROWS = 256
_MAX_LINE_BYTES = 1024 * 1024


def read_lines(place: str) -> Iterator[Item]:
    """Yield the files of a text list or of JSON Lines; a line that names none becomes an item with a fault."""
    with open_place(place) as stream:
        for number, line in enumerate(_lines(stream), start=1):
            if line.strip():
                yield _item_of_line(line, number, place)


def count_lines(place: str) -> int:
    """Return how many items `read_lines` gives."""
    with open_place(place) as stream:
        return sum(1 for line in _lines(stream) if line.strip())


def read_parquet(place: str) -> Iterator[Item]:
    """Yield the files of a Parquet list.

    Raises:
        ConfigError: No column says where files are or holds their bytes.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open_place(place) as stream:
        table = pq.ParquetFile(stream)
        names = table.schema_arrow.names
        where = next((name for name in PLACE_KEYS if name in names and _is_text(table.schema_arrow.field(name))), None)
        held = next(
            (name for name in BYTES_KEYS if name in names and _holds_bytes(table.schema_arrow.field(name))), None
        )
        if where is None and held is None:
            raise ConfigError(
                f"{place}: no column of a path ({', '.join(PLACE_KEYS)}) or of bytes "
                f"({', '.join(BYTES_KEYS)}); its columns are {', '.join(names)}"
            )
        number = 0
        for batch in table.iter_batches(_ROWS, columns=[name for name in (where, held) if name is not None]):
            for row in pa.Table.from_batches([batch]).to_pylist():
                number += 1
                yield _item_of_row(row, where, held, number, place)


def count_parquet(place: str) -> int:
    """Return how many rows a Parquet list has."""
    import pyarrow.parquet as pq

    with open_place(place) as stream:
        return int(pq.ParquetFile(stream).metadata.num_rows)


def open_place(place: str) -> IO[bytes]:
    """Open a list or an archive.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        return open_url(place) if is_url(place) else open(place, "rb")
    except OSError as error:
        raise ConfigError(f"{place} cannot be read: {error.strerror or error}") from error


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield lines; what is longer than any path is cut, so that a file without line feeds cannot fill the memory."""
    while line := stream.readline(_MAX_LINE_BYTES):
        yield line


def _item_of_line(line: bytes, number: int, place: str) -> Item:
    text = os.fsdecode(line).strip()
    if text[:1] not in ("{", '"'):
        return resolve(text, place)
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        return Item(f"{place}:{number}", fault="the line is not JSON")
    if isinstance(entry, dict):
        entry = next((entry[key] for key in PLACE_KEYS if isinstance(entry.get(key), str)), None)
    if not isinstance(entry, str) or not entry:
        return Item(f"{place}:{number}", fault=f"the line names no file; expected one of {', '.join(PLACE_KEYS)}")
    return resolve(entry, place)


def _item_of_row(row: dict[str, Any], where: str | None, held: str | None, number: int, place: str) -> Item:
    named = row.get(where) if where else None
    value = row.get(held) if held else None
    if isinstance(value, dict):
        named, value = named or value.get("path"), value.get("bytes")
    if isinstance(value, bytes):
        return Item(f"{place}:{number}" + (f":{named}" if named else ""), data=value)
    if not named:
        return Item(f"{place}:{number}", fault="the row names no file")
    return resolve(str(named), place)


def resolve(named: str, place: str) -> Item:
    """Return the item that a list calls `named`; a list from elsewhere may not name files of this machine."""
    if is_url(named):
        if is_url(place) and named.startswith(("file:", "local:")):
            return Item(named, fault="a remote list may not name a local file")
        return Item(named, named)
    if is_url(place):
        if os.path.isabs(named) or ".." in Path(named).parts:
            return Item(named, fault="a remote list may only name URLs, and files below itself")
        return Item(named, f"{place.rpartition('/')[0]}/{named}")
    return Item(named, os.path.join(os.path.dirname(place), named))


def _is_text(field: Any) -> bool:
    import pyarrow.types as kinds

    return bool(kinds.is_string(field.type) or kinds.is_large_string(field.type))


def _holds_bytes(field: Any) -> bool:
    import pyarrow.types as kinds

    if kinds.is_struct(field.type):
        return any(part.name == "bytes" for part in field.type)
    return bool(kinds.is_binary(field.type) or kinds.is_large_binary(field.type))

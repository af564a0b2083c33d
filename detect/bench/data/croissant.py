"""Croissant 1.1 JSON-LD, out and in: the data set's description that dataset hubs and search engines read.

Written beside a CSV with one row a file; read back from any description whose record set maps columns of a CSV, JSON
Lines or Parquet file to the bench's names (label, file or path, generator, source, split, ...).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from detect.bench.data.item import DataSet, Item, Label
from detect.bench.data.manifest import data_set_of, read_rows
from detect.errors import ConfigError

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
_TERMS = [
    "citeAs",
    "column",
    "equivalentProperty",
    "extract",
    "field",
    "fileObject",
    "fileProperty",
    "fileSet",
    "format",
    "includes",
    "isLiveDataset",
    "jsonPath",
    "key",
    "md5",
    "parentField",
    "path",
    "recordSet",
    "references",
    "regex",
    "repeated",
    "replace",
    "samplingRate",
    "separator",
    "source",
    "subField",
    "transform",
]
_CONTEXT: dict[str, Any] = {  # the one that the specification prescribes; readers warn about any other
    "@language": "en",
    "@vocab": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "sc": "https://schema.org/",
    **{term: f"cr:{term}" for term in _TERMS},
}
_FORMATS = {
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/jsonlines": ".jsonl",
    "application/x-ndjson": ".jsonl",
    "application/vnd.apache.parquet": ".parquet",
    "application/x-parquet": ".parquet",
}
_COLUMNS = ("id", "path", "label", "generator", "source", "split", "kind", "sha256", "group", "pair")


def write_croissant(
    data: DataSet, folder: Path, *, license_url: str, description: str, limits: str = "", cite_as: str = ""
) -> Path:
    """Write `records.csv` and `croissant.json` into `folder` and return the latter.

    Args:
        data: The items; paths are written relative to `folder` where they lie below it.
        folder: Made when missing.
        license_url: Of the set as a whole.
        description: What the set is.
        limits: Known biases and what the set cannot show (`rai:dataLimitations`).
        cite_as: Citation text.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "records.csv"
    with table.open("w", encoding="utf-8", newline="") as sink:
        writer = csv.DictWriter(sink, _COLUMNS)
        writer.writeheader()
        for item in data.items:
            writer.writerow(_row(item, folder))
    description_file = folder / "croissant.json"
    tree = _describe(data, table, license_url, description, limits, cite_as)
    description_file.write_text(json.dumps(tree, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return description_file


def _row(item: Item, folder: Path) -> dict[str, str]:
    file, home = item.file.resolve(), folder.resolve()
    is_real = item.label is Label.REAL
    return {
        "id": item.id,
        "path": file.relative_to(home).as_posix() if file.is_relative_to(home) else str(file),
        "label": str(item.label),
        "generator": "" if is_real else item.origin,
        "source": item.origin if is_real else "",
        "split": item.split,
        "kind": item.kind,
        "sha256": item.sha256,
        "group": item.group,
        "pair": item.pair,
    }


def _describe(
    data: DataSet, table: Path, license_url: str, description: str, limits: str, cite_as: str
) -> dict[str, Any]:
    content = table.read_bytes()
    tree: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": data.name,
        "description": description,
        "license": license_url,
        "version": f"1.0.0+{data.hash[:12]}",  # names the exact list of files
        "datePublished": datetime.now(UTC).date().isoformat(),
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "records",
                "name": "records",
                "contentUrl": table.name,
                "contentSize": f"{len(content)} B",
                "encodingFormat": "text/csv",
                "sha256": sha256(content).hexdigest(),
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "files",
                "name": "files",
                "description": "One row a media file.",
                "field": [_field(column) for column in _COLUMNS],
            }
        ],
    }
    if limits:
        tree["rai:dataLimitations"] = limits
    if cite_as:
        tree["citeAs"] = cite_as
    return tree


def _field(column: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"files/{column}",
        "name": column,
        "dataType": "sc:Text",
        "source": {"fileObject": {"@id": "records"}, "extract": {"column": column}},
    }


def read_croissant(
    description: Path, *, kinds: tuple[str, ...] = (), splits: tuple[str, ...] = (), files: Path | None = None
) -> DataSet:
    """Return the data set that a Croissant description's first record set with a `label` field lists.

    Only tables that lie beside the description are read; nothing is downloaded.

    Raises:
        ConfigError: No such record set, a table elsewhere, or a table whose hash differs from the stated one.
    """
    tree = json.loads(description.read_text(encoding="utf-8"))
    objects = {entry["@id"]: entry for entry in tree.get("distribution", ()) if "@id" in entry}
    for record_set in tree.get("recordSet", ()):
        columns = {
            _last(field.get("name") or field["@id"]): (_object_id(field), _column(field))
            for field in record_set.get("field", ())
            if _column(field)
        }
        if "label" in columns:
            entry = objects.get(columns["label"][0], {})
            names = {name: column for name, (_, column) in columns.items()}
            table = _table(description, entry)
            rows = ({name: row.get(column) for name, column in names.items()} for row in read_rows(table))
            return data_set_of(
                rows,
                name=str(tree.get("name", description.stem)),
                root=files or table.parent,
                kinds=kinds,
                splits=splits,
            )
    raise ConfigError(f"{description} has no record set with a field called label")


def _table(description: Path, entry: Mapping[str, Any]) -> Path:
    location = str(entry.get("contentUrl", ""))
    if not location or "://" in location:
        raise ConfigError(
            f"{description}: table {location or 'without contentUrl'} does not lie beside the description"
        )
    table = description.parent / location
    if _FORMATS.get(str(entry.get("encodingFormat")), table.suffix) != table.suffix or not table.is_file():
        raise ConfigError(f"{description}: {location} is missing or not {entry.get('encodingFormat')}")
    stated = entry.get("sha256")
    if stated and sha256(table.read_bytes()).hexdigest() != stated:
        raise ConfigError(f"{description}: {location} differs from the stated sha256")
    return table


def _object_id(field: Mapping[str, Any]) -> str:
    reference = field.get("source", {}).get("fileObject", {})
    return str(reference.get("@id", "")) if isinstance(reference, Mapping) else str(reference)


def _column(field: Mapping[str, Any]) -> str:
    return str(field.get("source", {}).get("extract", {}).get("column", ""))


def _last(name: str) -> str:
    return name.rpartition("/")[2]

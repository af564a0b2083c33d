"""What a scan reads: folders, patterns, archives, lists and fsspec URLs, one item at a time and always in one order."""

from __future__ import annotations

import glob
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from detect.errors import ConfigError
from detect.media.formats import MEDIA_SUFFIXES
from detect.media.walk import walk
from detect.scan.items import Item, file_system, is_url
from detect.scan.lists import (
    LINE_SUFFIXES,
    PARQUET_SUFFIXES,
    count_lines,
    count_parquet,
    read_lines,
    read_parquet,
)
from detect.scan.shards import SHARD_SUFFIXES, read_shard

_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")


def read_sources(sources: Sequence[str], *, max_bytes: int) -> Iterator[Item]:
    """Yield every file of the sources, in the order given; folders and patterns in sorted order.

    A source is a folder, a pattern, a file, a tar archive, a list (`.txt`, `.jsonl`, `.parquet`), or any of these
    behind an fsspec URL; `{000..012}` stands for a run of numbers, as in WebDataset.

    Raises:
        ConfigError: A source names nothing, or cannot be read.
    """
    for source in itertools.chain.from_iterable(map(expand_braces, sources)):
        yield from _read(source, max_bytes)


def count_sources(sources: Sequence[str]) -> int | None:
    """Return how many files the sources hold, or None when only reading them through would tell."""
    total = 0
    for source in itertools.chain.from_iterable(map(expand_braces, sources)):
        count = _count(source)
        if count is None:
            return None
        total += count
    return total


def expand_braces(source: str) -> list[str]:
    """Return the sources that `{000..012}` stands for.

    Example:
        >>> expand_braces("s-{08..10}.tar")
        ['s-08.tar', 's-09.tar', 's-10.tar']
    """
    found = _BRACES.search(source)
    if found is None:
        return [source]
    first, last = found.groups()
    numbers = range(int(first), int(last) + 1)
    return [
        rest
        for number in numbers
        for rest in expand_braces(f"{source[: found.start()]}{number:0{len(first)}d}{source[found.end() :]}")
    ]


def _read(source: str, max_bytes: int) -> Iterator[Item]:
    for place, reader in _places(source):
        if reader == "shard":
            yield from read_shard(place, max_bytes=max_bytes)
        elif reader == "lines":
            yield from read_lines(place)
        elif reader == "parquet":
            yield from read_parquet(place)
        else:
            yield Item(place, place)


def _count(source: str) -> int | None:
    total = 0
    for place, reader in _places(source):
        if reader == "shard":
            return None
        if reader == "lines":
            total += count_lines(place)
        else:
            total += count_parquet(place) if reader == "parquet" else 1
    return total


def _reader_of(place: str) -> str:
    """Return what a file that was named on purpose is read as."""
    lower = place.lower()
    if lower.endswith(SHARD_SUFFIXES):
        return "shard"
    if lower.endswith(LINE_SUFFIXES):
        return "lines"
    return "parquet" if lower.endswith(PARQUET_SUFFIXES) else "file"


def _places(source: str) -> Iterator[tuple[str, str]]:
    """Yield the files that a source stands for and how each is read; what is found in folders is media."""
    if is_url(source):
        yield from _remote_places(source)
    elif os.path.isdir(source):
        yield from ((path, "file") for path in walk(source))
    elif os.path.lexists(source):
        yield source, _reader_of(source)
    elif glob.has_magic(source) and (matches := sorted(glob.glob(source, recursive=True))):
        for match in matches:
            if not ("**" in source and os.path.isdir(match)):  # its files match by themselves
                yield from _places(match)
    else:
        raise ConfigError(f"{source}: there is no such file or folder, and no pattern that matches")


def _remote_places(url: str) -> Iterator[tuple[str, str]]:
    system, path = file_system(url)
    try:
        if glob.has_magic(path):
            matches = [str(system.unstrip_protocol(match)) for match in sorted(system.glob(path))]
            if not matches:
                raise ConfigError(f"{url}: nothing matches")
            yield from ((match, _reader_of(match)) for match in matches)
        elif not url.endswith("/") and (url.startswith("http") or not system.isdir(path)):
            # On the web a page looks like a folder only once it is fetched, whatever its size: the slash must say so.
            yield url, _reader_of(url)
        else:
            yield from ((place, "file") for place in _walk_remote(system, path))
    except (ConfigError, GeneratorExit):
        raise
    except Exception as error:  # libraries of stores raise anything
        raise ConfigError(f"{url} cannot be listed: {error}") from error


def _walk_remote(system: Any, folder: str) -> Iterator[str]:
    """Yield the files below a remote folder whose names say media, sorted; one folder's listing at a time."""
    entries = sorted(system.ls(folder, detail=True), key=lambda entry: str(entry["name"]))
    own = folder.rstrip("/")
    folders = []
    for entry in entries:
        name = str(entry["name"])
        if name.rstrip("/") == own or os.path.basename(name.rstrip("/")).startswith("."):
            continue
        if entry["type"] == "directory":
            folders.append(name)
        elif os.path.splitext(name)[1].lower() in MEDIA_SUFFIXES:
            yield str(system.unstrip_protocol(name))
    for name in folders:
        if name.startswith(own):  # pages also link to their parents
            yield from _walk_remote(system, name)

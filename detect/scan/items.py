"""One file of a scan: how it is called and where its bytes are. Small, and ready to travel to another process."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any, BinaryIO, cast

from detect.errors import MediaUnreadableError, MissingExtraError
from detect.media import Limits, MediaSource, open_source
from detect.media.source import display_name

_BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Item:
    """One file.

    Attributes:
        name: How results call it; the same on every run over the same source.
        place: Path or fsspec URL of the file that holds the bytes.
        offset: Where they start in `place`, when `place` is an archive; bytes.
        size: How many they are; only with `offset`.
        data: The bytes themselves, when the source had to be read in order.
        fault: Why there is nothing to open, when the source says so itself.
    """

    name: str
    place: str = ""
    offset: int | None = None
    size: int = 0
    data: bytes | None = field(default=None, repr=False)
    fault: str = ""

    def open(self, limits: Limits) -> MediaSource:
        """Open, hash and sniff the file.

        Raises:
            MediaError: It cannot be opened; every fault of a remote store is one too.
        """
        shown = display_name(self.name.partition("::")[0])
        if self.fault:
            raise MediaUnreadableError(f"{shown}: {self.fault}")
        if self.data is not None:
            return open_source(self.data, name=shown, limits=limits)
        if self.offset is not None:
            return self._open_stream(lambda: _part_of(self.place, self.offset or 0, self.size), shown, limits)
        if is_url(self.place):
            return self._open_stream(lambda: open_url(self.place), shown, limits)
        return open_source(self.place, limits=limits)

    def _open_stream(self, opener: Callable[[], IO[bytes]], shown: str, limits: Limits) -> MediaSource:
        try:
            with opener() as stream:
                return open_source(cast(BinaryIO, _Plain(stream)), name=shown, limits=limits)
        except (MediaUnreadableError, MissingExtraError):
            raise
        except _StoreError as error:
            raise MediaUnreadableError(f"{shown}: {error}") from error.__cause__
        except OSError as error:
            raise MediaUnreadableError(f"{shown}: {_why(error)}") from error


class _StoreError(Exception):
    """What a store's own library raised while reading."""


class _Plain:
    """A stream whose faults are told apart from those of the file's content: libraries of stores raise anything."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        try:
            return self._stream.read(size)
        except Exception as error:  # aiohttp's, botocore's, and what others may bring
            raise _StoreError(_why(error)) from error


def is_url(place: str) -> bool:
    """Return whether a place is an fsspec URL rather than a path."""
    return "://" in place


def open_url(url: str) -> IO[bytes]:
    """Open a remote file for reading in order.

    Raises:
        OSError: The store does not give it.
        MissingExtraError: The package for this kind of store is not installed.
    """
    system, path = file_system(url)
    try:
        stream = system.open(path, "rb", block_size=_BLOCK_BYTES, cache_type="readahead")
        return io.BufferedReader(stream, _BLOCK_BYTES)
    except OSError:
        raise
    except Exception as error:
        raise OSError(_why(error)) from error


def file_system(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL and the path in it.

    Raises:
        MissingExtraError: The package for this kind of store is not installed.
    """
    try:
        import fsspec

        return cast(tuple[Any, str], fsspec.core.url_to_fs(url))
    except ImportError as error:
        raise MissingExtraError(
            f"{url.partition('://')[0]}:// needs a package that is not installed ({error.name or error}); "
            "install it with: pip install 'witnessmark[remote]'"
        ) from error


def _part_of(place: str, offset: int, size: int) -> IO[bytes]:
    """Return `size` bytes of a local archive as a stream."""
    with open(place, "rb") as archive:
        archive.seek(offset)
        data = archive.read(size)
    if len(data) != size:
        raise OSError(f"the archive ends after {len(data)} of {size} bytes")
    return io.BytesIO(data)


def _why(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:300]

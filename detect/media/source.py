"""Open one untrusted file: path, bytes or file object in; a checked, hashed, sniffed `MediaSource` out."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import stat
import tempfile
import unicodedata
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from detect.errors import (
    ConfigError,
    MediaTooLargeError,
    MediaTooShortError,
    MediaUnreadableError,
    UnsupportedMediaError,
)
from detect.media.formats import FORMATS, MEDIA_SUFFIXES, REFUSED
from detect.media.limits import DEFAULT_LIMITS, Limits
from detect.media.sniff import HEAD_BYTES, Sniffed, sniff, sniff_stream
from detect.types import MediaFacts, MediaKind, Reason

FileLike = str | os.PathLike[str] | bytes | BinaryIO

CHUNK_BYTES = 1024 * 1024
MAX_NAME_CHARACTERS = 255
_NOT_SHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
_WHY = {
    errno.ENOENT: "there is no such file",
    errno.ENOTDIR: "a part of its path is not a folder",
    errno.EACCES: "no permission to read it",
    errno.EPERM: "no permission to read it",
    errno.ELOOP: "its symbolic links lead in a circle",
    errno.ENAMETOOLONG: "its name is too long",
    errno.EISDIR: "it is a folder; name the files in it",
    errno.ENOSPC: "the folder for temporary files is full",
    errno.EMFILE: "this process has too many files open",
}


@dataclass(frozen=True, eq=False)
class MediaSource:
    """A file whose bytes were read once: checked, hashed, sniffed. Close it, or use it in `with`.

    Attributes:
        path: A real, readable file; a temporary one when bytes or a file object were given.
        name: Last part of the given path, fit for display.
        sha256: Hex digest of all bytes.
        size: Length in bytes.
        kind: What it is, by its bytes.
        format: A name of `detect.media.formats.FORMATS`.
        mime: MIME type.
        head: The first `HEAD_BYTES` bytes.
        notes: `extension_mismatch` when the name promises another format.
        is_temporary: Whether `path` goes away when the source is closed.
    """

    path: Path
    name: str
    sha256: str
    size: int
    kind: MediaKind
    format: str
    mime: str
    head: bytes = field(repr=False)
    notes: tuple[Reason, ...] = ()
    is_temporary: bool = False

    def __post_init__(self) -> None:
        if self.is_temporary:  # also removed when the source is forgotten, or at the end of the program
            object.__setattr__(self, "_remover", weakref.finalize(self, _remove, self.path, os.getpid()))

    def facts(self) -> MediaFacts:
        """Return what is known before anything is decoded; readers add what they measure."""
        return MediaFacts(self.name, self.sha256, self.size, self.kind, self.format, self.mime, notes=self.notes)

    def close(self) -> None:
        """Remove the temporary file, when there is one; safe to call twice."""
        if self.is_temporary:
            cast("weakref.finalize[..., MediaSource]", self._remover)()  # type: ignore[attr-defined]

    def __enter__(self) -> MediaSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_source(file: FileLike, *, name: str | None = None, limits: Limits = DEFAULT_LIMITS) -> MediaSource:
    """Open, check, hash and sniff one file; nothing is decoded.

    Args:
        file: A path (str or PathLike), the content itself (bytes), or a file object opened in binary mode, read from
            its position to its end.
        name: Name to show instead of the path's last part.
        limits: `max_bytes` for any file, `max_image_bytes` for pictures.

    Raises:
        MediaUnreadableError: Missing, a folder, no permission, a link loop, a pipe, a device, a failing disk.
        MediaTooShortError: No bytes at all.
        MediaTooLargeError: Over a limit on bytes.
        UnsupportedMediaError: A playlist, or bytes of no format that is read here.
        ConfigError: Neither path nor bytes nor a binary file object.

    Example:
        >>> with open_source(b"GIF89a" + bytes(20)) as source:
        ...     source.format
        'gif'
    """
    if isinstance(file, bytes | bytearray | memoryview):
        content = bytes(file)
        _check_bytes(len(content), limits.max_bytes)
        return _spool(io.BytesIO(content), name or "bytes", limits)
    if isinstance(file, str | os.PathLike):
        return _open_path(os.fspath(file), name, limits)
    if hasattr(file, "read"):
        own_name = getattr(file, "name", None)
        return _spool(file, name or (own_name if isinstance(own_name, str) else "stream"), limits)
    raise ConfigError(f"a file must be a path, bytes or a binary file object, not {type(file).__name__}")


def display_name(path: str) -> str:
    """Return the last part of a path, fit for a terminal or a page: no control, direction or broken characters."""
    last = os.path.basename(path.rstrip("/\\")) or path
    shown = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in _NOT_SHOWN else c for c in last)
    return shown[:MAX_NAME_CHARACTERS]


def _open_path(path: str, name: str | None, limits: Limits) -> MediaSource:
    """Check and read a file of the file system in place."""
    shown = display_name(name or path)
    with _named_errors(shown):
        # Looking before opening: opening a device can act on it, opening a pipe without O_NONBLOCK waits for a writer.
        _check_regular(os.stat(path), shown)
        descriptor = os.open(path, _OPEN_FLAGS)
        with open(descriptor, "rb", buffering=0) as stream:
            facts = os.fstat(descriptor)
            _check_regular(facts, shown)
            _check_bytes(facts.st_size, limits.max_bytes)
            head = _read_head(stream)
            sniffed = _accept(sniff_stream(cast(BinaryIO, stream), head, facts.st_size), head, shown)
            stream.seek(0)
            limit = _bytes_limit(sniffed, limits)
            _check_bytes(facts.st_size, limit)
            digest, size = _digest(cast(BinaryIO, stream), limit)
    return _source(Path(os.path.abspath(path)), shown, digest, size, sniffed, head, is_temporary=False)


def _spool(stream: BinaryIO, name: str, limits: Limits) -> MediaSource:
    """Copy bytes or a stream to a temporary file, hashing on the way."""
    shown = display_name(name)
    with _named_errors(shown):
        head = _read_head(stream)
        sniffed = _accept(sniff(head), head, shown)
        limit = _bytes_limit(sniffed, limits)
        suffix = FORMATS[sniffed.format].suffixes[0]  # some readers of provenance go by the suffix
        descriptor, place = tempfile.mkstemp(prefix="witnessmark-", suffix=suffix)
        path = Path(place)
        try:
            with open(descriptor, "w+b") as copy:
                copy.write(head)
                digest, size = _digest(stream, limit, start=head, copy=copy)
                sniffed = sniff_stream(cast(BinaryIO, copy), head, size)
        except BaseException:
            _remove(path, os.getpid())
            raise
    return _source(path, shown, digest, size, sniffed, head, is_temporary=True)


def _source(
    path: Path, shown: str, digest: str, size: int, sniffed: Sniffed, head: bytes, *, is_temporary: bool
) -> MediaSource:
    """Put the facts together."""
    return MediaSource(
        path=path,
        name=shown,
        sha256=digest,
        size=size,
        kind=sniffed.kind,
        format=sniffed.format,
        mime=sniffed.mime,
        head=head,
        notes=_suffix_notes(shown, sniffed.format),
        is_temporary=is_temporary,
    )


@contextlib.contextmanager
def _named_errors(shown: str) -> Iterator[None]:
    """Turn what the system says into `MediaUnreadableError` with a plain reason."""
    try:
        yield
    except OSError as error:
        why = _WHY.get(error.errno or 0) or error.strerror or type(error).__name__
        raise MediaUnreadableError(f"{shown}: {why}") from error
    except ValueError as error:  # a null byte in the path, a closed file object
        raise MediaUnreadableError(f"{shown}: {error}") from error


def _check_regular(facts: os.stat_result, shown: str) -> None:
    """Refuse everything that is not a plain file."""
    mode = facts.st_mode
    if stat.S_ISREG(mode):
        return
    kinds = (
        (stat.S_ISDIR, "a folder; name the files in it"),
        (stat.S_ISFIFO, "a named pipe; save it to a file first, or give it on standard input"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    )
    what = next((text for is_kind, text in kinds if is_kind(mode)), "not a plain file")
    raise MediaUnreadableError(f"{shown}: it is {what}")


def _check_bytes(size: int, limit: int) -> None:
    if size > limit:
        raise MediaTooLargeError(f"{size} bytes; at most {limit} are read")


def _bytes_limit(sniffed: Sniffed, limits: Limits) -> int:
    """Pictures have a limit of their own, because their readers take the whole file into memory."""
    is_picture = sniffed.kind is MediaKind.IMAGE
    return min(limits.max_bytes, limits.max_image_bytes) if is_picture else limits.max_bytes


def _read_head(stream: io.RawIOBase | BinaryIO) -> bytes:
    """Return up to `HEAD_BYTES`; a raw stream may give less at once."""
    head = b""
    while len(head) < HEAD_BYTES:
        chunk = _read_chunk(stream, HEAD_BYTES - len(head))
        if not chunk:
            break
        head += chunk
    return head


def _read_chunk(stream: io.RawIOBase | BinaryIO, count: int) -> bytes:
    """Read once, refusing text mode and streams that have nothing now but may have later."""
    chunk = stream.read(count)
    if isinstance(chunk, str):
        raise ConfigError("the file object gives text; open it in binary mode ('rb')")
    if chunk is None:
        raise BlockingIOError(errno.EAGAIN, "the stream would block")
    return bytes(chunk)


def _digest(stream: BinaryIO, limit: int, *, start: bytes = b"", copy: BinaryIO | None = None) -> tuple[str, int]:
    """Return SHA-256 and length of `start` plus the rest of the stream, copying the rest; a growing file is cut off."""
    digest, size = hashlib.sha256(start), len(start)
    while chunk := _read_chunk(stream, CHUNK_BYTES):
        size += len(chunk)
        _check_bytes(size, limit)
        digest.update(chunk)
        if copy is not None:
            copy.write(chunk)
    _check_bytes(size, limit)
    return digest.hexdigest(), size


def _accept(sniffed: Sniffed, head: bytes, shown: str) -> Sniffed:
    """Let known formats pass; say what the others are where that is known."""
    if not head:
        raise MediaTooShortError(f"{shown}: the file is empty")
    if sniffed.format in FORMATS:
        return sniffed
    what = REFUSED.get(sniffed.format, "not a picture, clip, recording or document of a known format")
    raise UnsupportedMediaError(f"{shown}: {what}")


def _suffix_notes(shown: str, media_format: str) -> tuple[Reason, ...]:
    """Note a suffix that promises another format; a suffix that promises nothing is no mismatch."""
    suffix = os.path.splitext(shown)[1].lower()
    if suffix not in MEDIA_SUFFIXES or suffix in FORMATS[media_format].suffixes:
        return ()
    return (Reason("extension_mismatch", f"named {suffix}, but the bytes are {media_format.upper()}"),)


def _remove(path: Path, owner: int) -> None:
    """Delete a temporary file; a forked process leaves it to the one that made it."""
    if os.getpid() == owner:
        with contextlib.suppress(OSError):
            path.unlink()

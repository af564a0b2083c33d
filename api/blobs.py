"""Uploaded files in any folder that fsspec reaches: local by default, S3 and others by URL.

Every upload gets a place of its own, named by its hash and a random part. Sharing places between equal uploads would
save little and make erasure a question of who else still needs the bytes; so erasing is one delete, always.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

import fsspec

from detect.errors import MediaTooLargeError, MediaUnreadableError

CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class StoredFile:
    """Where a file lies and what it weighs; `blob` is the name to ask for, `sha256` the hash of its bytes."""

    blob: str
    sha256: str
    size: int


class BlobStore:
    """A folder of uploaded files; safe to use from several threads and processes."""

    def __init__(self, url: str) -> None:
        self._files, root = fsspec.core.url_to_fs(url)
        self._root = str(root).rstrip("/")
        self._files.makedirs(self._root, exist_ok=True)

    def put(self, stream: BinaryIO, *, max_bytes: int) -> StoredFile:
        """Copy a stream in, hashing on the way; a reader finds the whole file or none.

        Raises:
            MediaTooLargeError: More than `max_bytes`; nothing is kept.
        """
        unique = secrets.token_hex(12)
        scratch = f"{self._root}/incoming-{unique}"
        digest, size = hashlib.sha256(), 0
        try:
            with self._files.open(scratch, "wb") as sink:
                while chunk := stream.read(CHUNK_BYTES):
                    size += len(chunk)
                    if size > max_bytes:
                        raise MediaTooLargeError(f"the file has more than {max_bytes} bytes")
                    digest.update(chunk)
                    sink.write(chunk)
            blob = f"{digest.hexdigest()}-{unique[:8]}"
            self._files.mv(scratch, self._place(blob))
        except BaseException:
            with contextlib.suppress(OSError):
                self._files.rm(scratch)
            raise
        return StoredFile(blob, digest.hexdigest(), size)

    def open(self, blob: str) -> BinaryIO:
        """Open a file for reading.

        Raises:
            MediaUnreadableError: It has been erased.
        """
        try:
            return cast(BinaryIO, self._files.open(self._place(blob), "rb"))
        except FileNotFoundError as error:
            raise MediaUnreadableError("the file has been erased") from error

    def erase(self, blob: str) -> None:
        """Delete a file; safe to call twice."""
        with contextlib.suppress(FileNotFoundError):
            self._files.rm(self._place(blob))

    def older_than(self, age_s: float) -> Iterator[str]:
        """Yield the names of files that were written more than `age_s` ago; unknown ages count as young."""
        for entry in self._files.ls(self._root, detail=True):
            modified = entry.get("mtime")
            if entry["type"] == "file" and isinstance(modified, float) and modified < time.time() - age_s:
                yield str(entry["name"]).rsplit("/", 1)[-1]

    def _place(self, blob: str) -> str:
        return f"{self._root}/{blob}"

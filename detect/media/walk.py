"""Find the media files of a folder: by their bytes, and by names that promise media."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from detect.media.formats import MEDIA_SUFFIXES
from detect.media.sniff import HEAD_BYTES, sniff
from detect.types import MediaKind


def walk(folder: str) -> Iterator[str]:
    """Yield the media files below a folder, sorted, hidden ones and links to folders left out.

    A file counts as media by its bytes; one whose name alone says so counts too, so that a photo that is empty or
    broken is reported rather than passed over. Folders that cannot be read come last, to become errors of their own.
    """
    unreadable: list[str] = []
    for parent, folders, names in os.walk(folder, onerror=lambda error: unreadable.append(str(error.filename))):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = os.path.join(parent, name)
            if not name.startswith(".") and is_media(path):
                yield path
    yield from unreadable


def is_media(path: str) -> bool:
    """Say whether a file is media by its first bytes, or by its name; pipes and devices never are."""
    is_named_so = Path(path).suffix.lower() in MEDIA_SUFFIXES
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for a writer
            return False
        if is_named_so:
            return True
        with open(path, "rb") as stream:
            return sniff(stream.read(HEAD_BYTES)).kind is not MediaKind.UNKNOWN
    except OSError:
        return is_named_so

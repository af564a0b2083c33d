"""Tar archives, as WebDataset writes them: members that are media, in the order of the archive.

Members of a plain local archive stay where they are and are read by whoever judges them. A compressed or a remote
archive can only be read in order, so its members' bytes travel with the item.
"""

from __future__ import annotations

import io
import lzma
import os
import tarfile
import zlib
from collections.abc import Iterator

from detect.media.formats import MEDIA_SUFFIXES
from detect.media.sniff import HEAD_BYTES, sniff
from detect.scan.items import Item, is_url
from detect.scan.lists import open_place
from detect.types import MediaKind

SHARD_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_KNOWN_COMPANIONS = (".json", ".txt", ".cls", ".npy", ".csv", ".xml", ".md")
"""What stands beside a sample in a WebDataset shard and is no media."""


def read_shard(place: str, *, max_bytes: int) -> Iterator[Item]:
    """Yield the media of a tar archive; an archive that breaks off ends with an item that says so.

    Args:
        place: Path or URL.
        max_bytes: Members above it are named but not read into memory.

    Raises:
        ConfigError: The archive cannot be opened.
    """
    is_plain = not is_url(place) and place.lower().endswith(".tar")
    with open_place(place) as stream:
        try:
            with tarfile.open(fileobj=stream, mode="r:" if is_plain else "r|*") as archive:
                while (member := archive.next()) is not None:
                    if member.isreg() and (item := _item_of(member, archive, place, is_plain, max_bytes)) is not None:
                        yield item
                    archive.members = []  # type: ignore[attr-defined] # tarfile keeps every header that it has seen
        except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error, lzma.LZMAError) as error:
            yield Item(f"tar://::{place}", fault=f"the archive breaks off: {error}")


def _item_of(
    member: tarfile.TarInfo, archive: tarfile.TarFile, place: str, is_plain: bool, max_bytes: int
) -> Item | None:
    suffix = os.path.splitext(member.name)[1].lower()
    if suffix in _KNOWN_COMPANIONS or os.path.basename(member.name).startswith("."):
        return None
    name = f"tar://{member.name}::{place}"
    if is_plain and not member.issparse():
        if suffix in MEDIA_SUFFIXES or _is_media(_read(archive, member, HEAD_BYTES)):
            return Item(name, place, offset=member.offset_data, size=member.size)
        return None
    if member.size > max_bytes:
        return Item(name, fault=f"{member.size} bytes; at most {max_bytes} are read")
    data = _read(archive, member, member.size)
    return Item(name, data=data) if suffix in MEDIA_SUFFIXES or _is_media(data[:HEAD_BYTES]) else None


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo, count: int) -> bytes:
    opened = archive.extractfile(member)
    return (opened or io.BytesIO()).read(count)


def _is_media(head: bytes) -> bool:
    return sniff(head).kind is not MediaKind.UNKNOWN

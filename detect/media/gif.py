"""Tell a GIF that is a clip from one that is a picture, by counting its frames without decoding them."""

from __future__ import annotations

from collections.abc import Callable

ReadAt = Callable[[int, int], bytes]

CLIP_FRAMES = 8
"""From so many frames on a GIF is judged as a clip; fewer are a picture that blinks."""

_MOST_BYTES = 16 * 1024 * 1024
_CHUNK = 64 * 1024


def count_frames(read_at: ReadAt, *, most: int = CLIP_FRAMES) -> int:
    """Return the number of frames, counted up to `most` (GIF89a, sections 18 to 26); a damaged file ends the count."""
    reader = _Reader(read_at)
    head = reader.take(13)
    if len(head) < 13 or head[:3] != b"GIF":
        return 0
    reader.skip(_table_bytes(head[10]))
    count = 0
    while count < most:
        mark = reader.take(1)
        if mark == b"\x21":
            reader.skip(1)
        elif mark == b"\x2c":
            place = reader.take(9)
            if len(place) < 9:
                return count
            reader.skip(_table_bytes(place[8]) + 1)
            count += 1
        else:
            return count
        if not reader.skip_blocks():
            return count
    return count


def _table_bytes(flags: int) -> int:
    """Return the size of the colour table that a flags byte announces."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


class _Reader:
    """Reads forward in chunks, so that a file of small blocks does not cost a system call each."""

    def __init__(self, read_at: ReadAt) -> None:
        self._read_at = read_at
        self._at = self._base = 0
        self._chunk = b""

    def take(self, count: int) -> bytes:
        """Return the next bytes; fewer at the end of the file or of the budget."""
        inside = self._at - self._base
        if not (inside >= 0 and inside + count <= len(self._chunk)):
            if self._at > _MOST_BYTES:
                return b""
            self._chunk, self._base, inside = self._read_at(self._at, max(count, _CHUNK)), self._at, 0
        data = self._chunk[inside : inside + count]
        self._at += len(data)
        return data

    def skip(self, count: int) -> None:
        """Pass over bytes."""
        self._at += count

    def skip_blocks(self) -> bool:
        """Pass over data blocks to their end mark; False when the file ends first."""
        while length := self.take(1):
            if length == b"\0":
                return True
            self.skip(length[0])
        return False

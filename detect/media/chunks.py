"""PNG files whose text is damaged but whose picture is whole: viewers show them, so they are judged too.

ComfyUI writes such files when text of another encoding is put into `tEXt`. libpng and browsers drop an ancillary chunk
whose checksum is wrong (PNG specification, section 13.1, "Error handling"); Pillow refuses the whole file.
"""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import BinaryIO

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def without_damaged_text(stream: BinaryIO) -> BytesIO | None:
    """Return the PNG without the ancillary chunks whose checksum is wrong; None when there is none, or more is wrong.

    Args:
        stream: A seekable PNG file of a size that the caller has limited; read from its start.
    """
    stream.seek(0)
    if stream.read(8) != _SIGNATURE:
        return None
    kept, dropped = [_SIGNATURE], 0
    while len(head := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        body = stream.read(length + 4)
        if len(body) != length + 4:
            kept.append(head + body)  # a cut file: what is missing is for the decoder to say
            break
        is_whole = zlib.crc32(body[:-4], zlib.crc32(kind)) == struct.unpack(">I", body[-4:])[0]
        is_ancillary = bool(kind[0] & 0x20)
        if is_whole or not is_ancillary:
            kept.append(head + body)
        else:
            dropped += 1
    return BytesIO(b"".join(kept)) if dropped else None

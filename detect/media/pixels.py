"""Decode one still picture with Pillow. Runs inside the guarded child only; `detect.media.image` calls it there."""

from __future__ import annotations

import warnings
from io import BufferedReader
from typing import Any

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from detect.errors import CorruptMediaError, MediaTooLargeError, MissingExtraError, UnsupportedMediaError
from detect.media.chunks import without_damaged_text
from detect.media.colour import Notes, to_pixels
from detect.media.wire import Payload
from detect.types import UInt8Array

_PLUGINS = {
    "jpeg": (JpegImagePlugin.JpegImageFile.format,),  # which hands over to MPO by itself
    "png": (PngImagePlugin.PngImageFile.format,),
    "webp": (WebPImagePlugin.WebPImageFile.format,),
    "avif": (AvifImagePlugin.AvifImageFile.format,),
    "heic": ("HEIF",),
    "heif": ("HEIF",),
    "tiff": (TiffImagePlugin.TiffImageFile.format,),
    "bmp": (BmpImagePlugin.BmpImageFile.format,),
    "gif": (GifImagePlugin.GifImageFile.format,),
}
"""Sniffed format to the one Pillow reader that may open it; importing the plugin modules registers them."""

_ORIENTATION = 0x0112
_TURNS = {2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False), 7: (1, True), 8: (1, False)}
"""EXIF orientation to (quarter turns to the left, then mirrored left to right) that undo it (EXIF 2.32, 4.6.4 A)."""

_DNG_VERSION, _SUB_IFDS, _NEW_SUBFILE_TYPE = 50706, 330, 254


def decode(path: str, media_format: str, max_pixels: int, max_side: int) -> Payload:
    """Return `pixels_rgb` (H, W, 3) uint8 sRGB, upright, without alpha, and the notes on what was done for that.

    Args:
        path: A real, readable file.
        media_format: The sniffed format; no other reader is tried.
        max_pixels: Width times height, checked on the header before memory is spent.
        max_side: Longest side in pixels, checked likewise.

    Raises:
        CorruptMediaError: The bytes do not decode to the end.
        MediaTooLargeError: Over a limit.
        UnsupportedMediaError: A camera raw file that holds only a preview for TIFF readers.
        MissingExtraError: HEIC without pillow-heif.
    """
    Image.MAX_IMAGE_PIXELS = max_pixels
    if media_format in ("heic", "heif"):
        _register_heif()
    notes: Notes = {}
    with warnings.catch_warnings(), open(path, "rb") as stream:
        warnings.simplefilter("ignore")  # damaged metadata; the pixels decide
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        _refuse_huge_webp(stream, media_format, max_pixels, max_side)
        try:
            with _open(stream, media_format, notes) as image:
                check_size(image.size, max_pixels, max_side)
                _refuse_raw(image)
                _note_tiff_turn(image, notes)
                _note_frames(image, media_format, notes)
                image.load()
                check_size(image.size, max_pixels, max_side)
                _note_depth(image, stream, media_format, notes)
                turn = _orientation(image, notes)
                pixels = to_pixels(image, notes)
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise MediaTooLargeError(f"the picture has more than {max_pixels} pixels; scale it down") from error
        except UnidentifiedImageError as error:
            raise CorruptMediaError(f"the header of this {media_format} file is damaged") from error
    pixels = _turned(pixels, turn, notes)
    return Payload({"notes": list(notes.items())}, {"pixels_rgb": pixels})


def _open(stream: BufferedReader, media_format: str, notes: Notes) -> Image.Image:
    """Open with the one reader of the format; a PNG with damaged text is opened without that text, which is noted."""
    try:
        return Image.open(stream, formats=_PLUGINS[media_format])
    except UnidentifiedImageError:
        mended = without_damaged_text(stream) if media_format == "png" else None
        if mended is None:
            raise
        image = Image.open(mended, formats=_PLUGINS[media_format])
        notes["damaged_text"] = "text with a wrong checksum was left out"
        return image


def check_size(size: tuple[int, int], max_pixels: int, max_side: int) -> None:
    """Refuse a picture that is too large or empty.

    Raises:
        MediaTooLargeError: Over a limit.
        CorruptMediaError: A side of 0.
    """
    width, height = size
    if width < 1 or height < 1:
        raise CorruptMediaError(f"the header states {width} x {height} pixels")
    if width * height > max_pixels or max(size) > max_side:
        raise MediaTooLargeError(
            f"{width} x {height} pixels; at most {max_pixels} in all and {max_side} a side are read, scale it down"
        )


def _register_heif() -> None:
    """Load the HEIF reader at first use only: it costs 20 ms."""
    try:
        import pillow_heif
    except ImportError as error:
        raise MissingExtraError("HEIC pictures need pillow-heif: pip install pillow-heif") from error
    pillow_heif.register_heif_opener(thumbnails=False)
    pillow_heif.options.DECODE_THREADS = 1  # callers run several children; threads would only reserve memory


def _refuse_huge_webp(stream: BufferedReader, media_format: str, max_pixels: int, max_side: int) -> None:
    """Check a WebP's canvas before Pillow does, because its reader reserves the canvas when it opens the file."""
    if media_format != "webp":
        return
    head = stream.read(30)
    stream.seek(0)
    if len(head) < 30:
        raise CorruptMediaError("the WebP file ends within its header")
    chunk = head[12:16]
    if chunk == b"VP8X":
        size = (1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little"))
    elif chunk == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        size = (1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    else:
        size = (int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF)
    check_size(size, max_pixels, max_side)


def _refuse_raw(image: Image.Image) -> None:
    """Refuse camera raw files that pose as TIFF: what TIFF readers see of them is a thumbnail, not the picture."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return
    tags = image.tag_v2
    if _DNG_VERSION in tags or (_SUB_IFDS in tags and tags.get(_NEW_SUBFILE_TYPE, 0) == 1):
        raise UnsupportedMediaError("a camera raw file; export it as JPEG or TIFF, or give the camera's own JPEG")


def _note_frames(image: Image.Image, media_format: str, notes: Notes) -> None:
    """Note what else the file holds besides the first picture; the reader stands on that picture afterwards."""
    if media_format == "tiff":
        if _has_second_page(image):
            notes["first_page_only"] = "the file has several pages; only the first one was looked at"
    elif media_format in ("heic", "heif") or image.format == "MPO":
        if getattr(image, "n_frames", 1) > 1:
            notes["main_picture_only"] = "the file holds several pictures; only the main one was looked at"
    elif getattr(image, "is_animated", False):
        notes["first_frame_only"] = "the picture is animated; only its first frame was looked at"


def _has_second_page(image: Image.Image) -> bool:
    """Tell whether a TIFF goes on after its first page, without walking all of them."""
    try:
        image.seek(1)
    except Exception:  # a damaged second page is no second page
        found = False
    else:
        found = True
    image.seek(0)
    return found


def _note_tiff_turn(image: Image.Image, notes: Notes) -> None:
    """Note a turn that Pillow makes by itself while it loads a TIFF."""
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(_ORIENTATION, 1) in _TURNS:
        notes["turned_upright"] = "turned as the orientation tag says"


def _note_depth(image: Image.Image, stream: BufferedReader, media_format: str, notes: Notes) -> None:
    """Note pictures with more than 8 bits a channel, which Pillow's readers cut to 8."""
    depth = 8
    if media_format == "png":
        stream.seek(24)
        depth = stream.read(1)[0]
    elif media_format == "tiff":
        bits: Any = getattr(image, "tag_v2", {}).get(258, (8,))
        depth = max(bits) if isinstance(bits, tuple) else int(bits)
    elif media_format in ("heic", "heif"):
        depth = int(image.info.get("bit_depth", 8))
    elif media_format == "avif":
        depth = _avif_depth(stream)
    if depth > 8 and image.mode not in ("I", "F"):  # those two are noted as rescaled
        notes["reduced_to_8_bit"] = f"stored with {depth} bits a channel; looked at with 8"


def _avif_depth(stream: BufferedReader) -> int:
    """Return the bits a channel that the first `pixi` box states (ISO/IEC 23008-12, 6.5.6), which Pillow hides."""
    stream.seek(0)
    head = stream.read(65_536)
    at = head.find(b"pixi")
    return head[at + 9] if 0 <= at < len(head) - 9 else 8


def _orientation(image: Image.Image, notes: Notes) -> int:
    """Return the EXIF orientation that is still to be undone, 1 to 8; unreadable EXIF means as stored."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # EXIF is untrusted too, and its parser raises many kinds
        notes["exif_unreadable"] = "the EXIF data is damaged; the picture was taken as stored"
        return 1


def _turned(pixels: UInt8Array, orientation: int, notes: Notes) -> UInt8Array:
    """Turn the pixels as the EXIF orientation says."""
    if orientation not in _TURNS:
        return pixels
    quarters, is_mirrored = _TURNS[orientation]
    turned = np.rot90(pixels, quarters)
    notes["turned_upright"] = "turned as the EXIF orientation says"
    return turned[:, ::-1] if is_mirrored else turned

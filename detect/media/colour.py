"""Any Pillow mode to 8-bit sRGB without alpha, noting every step that changes numbers. Runs in the guarded child."""

from __future__ import annotations

import io
from typing import Any, cast

import numpy as np
from PIL import Image, ImageCms

from detect.types import UInt8Array

Notes = dict[str, str]
"""Stable code to plain English, in order of discovery."""

BACKGROUND = (255, 255, 255)
"""What shows through transparent pixels: white, as on the web pages and papers where such pictures are seen."""

STRIP_PIXELS = 4_000_000
"""Pixels converted at once: the copies that conversions make then cost 30 MB instead of the picture's size again."""

_PROFILE_SPACES = {"RGB": "RGB", "RGBA": "RGB", "L": "GRAY", "CMYK": "CMYK"}
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
_WITH_ALPHA = ("PA", "LA", "La", "RGBa", "RGBA")


def to_pixels(image: Image.Image, notes: Notes) -> UInt8Array:
    """Return a loaded picture as (H, W, 3) uint8 sRGB, transparent parts on `BACKGROUND`.

    Args:
        image: A loaded picture of any mode.
        notes: Receives a code for each conversion that changes what is seen.
    """
    width, height = image.size
    convert = _Converter(image, notes)
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        pixels[top:bottom] = np.asarray(convert(image.crop((0, top, width, bottom))))
    return pixels


class _Converter:
    """The conversion that one picture needs, applied strip by strip."""

    def __init__(self, image: Image.Image, notes: Notes) -> None:
        self._notes = notes
        self._full_scale = _full_scale(image) if image.mode in ("I", "F") else 0.0
        self._has_alpha = image.mode in _WITH_ALPHA or "transparency" in image.info
        self._note_mode(image.mode)
        self._transform = self._plan_colours(image)

    def __call__(self, strip: Image.Image) -> Image.Image:
        """Return one strip in mode RGB."""
        picture = self._to_eight_bit(strip)
        if self._transform is not None:
            picture = cast(Image.Image, ImageCms.applyTransform(picture, self._transform))  # not in place, never None
        if picture.mode == "RGBA":
            picture = self._flatten(picture)
        return picture if picture.mode == "RGB" else picture.convert("RGB")

    def _note_mode(self, mode: str) -> None:
        """Note what the mode alone says."""
        if mode in _SIXTEEN_BIT:
            self._notes["reduced_to_8_bit"] = "stored with 16 bits a channel; looked at with 8"
        elif mode in ("I", "F"):
            self._notes["rescaled_to_8_bit"] = "stored as numbers of 32 bits without a fixed range; scaled to 8 bits"
        elif mode in ("P", "PA"):
            self._notes["converted_from_palette"] = "stored with a palette of at most 256 colours"
        elif mode == "CMYK":
            self._notes["converted_from_cmyk"] = "stored in the print colours CMYK; converted to screen colours"

    def _to_eight_bit(self, strip: Image.Image) -> Image.Image:
        """Bring every mode to L, RGB, RGBA, CMYK or LAB."""
        if strip.mode in _SIXTEEN_BIT:
            return Image.fromarray((np.asarray(strip) >> 8).astype(np.uint8))
        if strip.mode in ("I", "F"):
            values = np.nan_to_num(np.asarray(strip).astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
            return Image.fromarray((np.clip(values / self._full_scale, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8))
        if self._has_alpha:
            return strip if strip.mode == "RGBA" else strip.convert("RGBA")
        if strip.mode == "1":
            return strip.convert("L")
        return strip if strip.mode in ("L", "RGB", "CMYK", "LAB") else strip.convert("RGB")

    def _plan_colours(self, image: Image.Image) -> Any:
        """Return the colour engine's transform to sRGB, or None; a damaged or unfit profile is noted and ignored."""
        if image.mode == "LAB":
            return _transform(ImageCms.createProfile("LAB"), "LAB")
        profile = image.info.get("icc_profile")
        if not isinstance(profile, bytes) or not profile:
            return None
        mode = self._to_eight_bit(image.crop((0, 0, 1, 1))).mode
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            name = source.profile.profile_description or "unnamed"
            if source.profile.xcolor_space.strip() != _PROFILE_SPACES[mode]:
                raise ValueError("a profile for other colours")
            if "sRGB" in name:
                return None
            transform = _transform(source, mode)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError, KeyError):
            self._notes["icc_ignored"] = "the embedded colour profile is damaged or does not fit; ignored"
            return None
        self._notes["icc_to_srgb"] = f"converted from the colour profile {_clean(name)!r}"
        return transform

    def _flatten(self, picture: Image.Image) -> Image.Image:
        """Lay a strip on the background; an alpha channel that is opaque everywhere is dropped without a note."""
        alpha = picture.getchannel("A")
        if alpha.getextrema()[0] == 255:
            return picture.convert("RGB")
        self._notes["alpha_flattened"] = "has transparent parts; looked at on a white background"
        ground = Image.new("RGB", picture.size, BACKGROUND)
        ground.paste(picture.convert("RGB"), mask=alpha)
        return ground


def _full_scale(image: Image.Image) -> float:
    """Return the white of numbers without a fixed range: the smallest of 1, 255, 65535 or the maximum above them."""
    values = np.asarray(image)
    finite = values[np.isfinite(values)]
    top = float(finite.max(initial=0.0))
    return next((limit for limit in (1.0, 255.0, 65_535.0) if top <= limit), top)


def _transform(source: Any, mode: str) -> Any:
    """Build the transform to sRGB; alpha, where there is one, is carried along."""
    return ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        mode,
        "RGBA" if mode == "RGBA" else "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


def _clean(text: str) -> str:
    """Return a profile's name fit for display: printable, at most 60 characters."""
    return "".join(letter for letter in text if letter.isprintable())[:60]

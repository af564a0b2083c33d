"""Any Pillow mode to 8-bit sRGB without alpha, noting every step that changes numbers. Runs in the guarded child."""

from __future__ import annotations

import io
from typing import Any, cast

import numpy as np
from PIL import Image, ImageCms

Notes = dict[str, str]
"""Stable code to plain English, in order of discovery."""

BACKGROUND = (255, 255, 255)
"""What shows through transparent pixels: white, as on the web pages and papers where such pictures are seen."""

_PROFILE_SPACES = {"RGB": "RGB", "RGBA": "RGB", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab"}
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")


def to_srgb(image: Image.Image, notes: Notes) -> Image.Image:
    """Return the loaded picture in mode RGB, sRGB, flattened on `BACKGROUND`.

    Args:
        image: A loaded picture of any mode; it is not changed.
        notes: Receives a code for each conversion that changes what is seen.
    """
    profile = image.info.get("icc_profile")
    picture = _to_eight_bit(image, notes)
    picture = _apply_profile(picture, profile, notes)
    if picture.mode == "RGBA":
        picture = _flatten(picture, notes)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _to_eight_bit(image: Image.Image, notes: Notes) -> Image.Image:
    """Bring every mode to L, RGB, RGBA, CMYK or LAB."""
    mode = image.mode
    if mode in _SIXTEEN_BIT:
        notes["reduced_to_8_bit"] = "stored with 16 bits a channel; looked at with 8"
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if mode in ("I", "F"):
        notes["rescaled_to_8_bit"] = "stored as whole or floating-point numbers of 32 bits; scaled to 8 bits"
        return Image.fromarray(_scaled(np.asarray(image)))
    if mode in ("P", "PA"):
        notes["converted_from_palette"] = "stored with a palette of at most 256 colours"
    if mode in ("P", "PA", "LA", "La", "RGBa") or (mode in ("1", "L", "RGB") and "transparency" in image.info):
        return image.convert("RGBA") if _may_be_transparent(image) else image.convert("RGB")
    if mode == "CMYK":
        notes["converted_from_cmyk"] = "stored in the print colours CMYK; converted to screen colours"
        return image
    if mode == "1":
        return image.convert("L")
    return image if mode in ("L", "RGB", "RGBA", "LAB") else image.convert("RGB")


def _may_be_transparent(image: Image.Image) -> bool:
    return image.mode in ("PA", "LA", "La", "RGBa") or "transparency" in image.info


def _scaled(values: Any) -> Any:
    """Scale numbers of an unknown range to uint8: the smallest of 1, 255, 65535 or the maximum that holds them all."""
    values = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    top = float(values.max(initial=0.0))
    full = next((limit for limit in (1.0, 255.0, 65_535.0) if top <= limit), top)
    return (np.clip(values / full, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def _apply_profile(picture: Image.Image, profile: Any, notes: Notes) -> Image.Image:
    """Convert from the embedded ICC profile to sRGB; a damaged or unfit profile is noted and ignored."""
    if picture.mode == "LAB":
        source: Any = ImageCms.createProfile("LAB")
        return _transformed(picture, source)
    if not isinstance(profile, bytes) or not profile:
        return picture
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != _PROFILE_SPACES[picture.mode]:
            raise ValueError("a profile for other colours")
        if "sRGB" in (source.profile.profile_description or ""):
            return picture
        converted = _transformed(picture, source)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, KeyError):
        notes["icc_ignored"] = "the embedded colour profile is damaged or does not fit; ignored"
        return picture
    notes["icc_to_srgb"] = f"converted from the colour profile {_clean(source.profile.profile_description)!r}"
    return converted


def _transformed(picture: Image.Image, source: Any) -> Image.Image:
    """Run the colour engine; alpha, where there is one, is carried along."""
    target = "RGBA" if picture.mode == "RGBA" else "RGB"
    transform = ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        picture.mode,
        target,
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    converted = ImageCms.applyTransform(picture, transform)
    return cast(Image.Image, converted)  # only in-place transforms return None


def _flatten(picture: Image.Image, notes: Notes) -> Image.Image:
    """Lay the picture on the background; an alpha channel that is opaque everywhere is dropped without a note."""
    alpha = picture.getchannel("A")
    if alpha.getextrema()[0] == 255:
        return picture.convert("RGB")
    notes["alpha_flattened"] = "has transparent parts; looked at on a white background"
    ground = Image.new("RGB", picture.size, BACKGROUND)
    ground.paste(picture.convert("RGB"), mask=alpha)
    return ground


def _clean(text: str | None) -> str:
    """Return a profile's name fit for display: printable, at most 60 characters."""
    return "".join(letter for letter in (text or "unnamed") if letter.isprintable())[:60]

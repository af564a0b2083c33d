"""Reading and writing of pictures for perturbations.

Files of a benchmark are the researcher's own, so they are read in process; untrusted uploads go through `detect.media`.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageOps

from detect.bench.perturb.base import Rng


def open_rgb(file: Path) -> Image.Image:
    """Return the upright 8-bit RGB picture of a file; alpha is laid over white, as browsers show it."""
    _register_heif()
    with Image.open(file) as opened:
        opened.load()
        picture: Image.Image = ImageOps.exif_transpose(opened)
    if picture.mode in ("I", "I;16", "F"):  # 16-bit grey: Pillow's convert() would clip instead of scale
        picture = picture.convert("I").point(lambda value: value / 256).convert("L")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        sheet = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(sheet, layer)
    return picture.convert("RGB")


def _register_heif() -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()


def save_jpeg(picture: Image.Image, stem: Path, *, quality: int, subsampling: str = "4:2:0") -> Path:
    """Write `<stem>.jpg` and return it."""
    target = stem.with_suffix(".jpg")
    picture.save(target, "JPEG", quality=quality, subsampling=subsampling)
    return target


def save_webp(picture: Image.Image, stem: Path, *, quality: int) -> Path:
    """Write lossy `<stem>.webp` and return it."""
    target = stem.with_suffix(".webp")
    picture.save(target, "WEBP", quality=quality, method=4)
    return target


def save_avif(picture: Image.Image, stem: Path, *, quality: int) -> Path:
    """Write `<stem>.avif` and return it."""
    target = stem.with_suffix(".avif")
    picture.save(target, "AVIF", quality=quality, speed=8)
    return target


def save_png(picture: Image.Image, stem: Path) -> Path:
    """Write lossless `<stem>.png` and return it."""
    target = stem.with_suffix(".png")
    picture.save(target, "PNG", compress_level=3)
    return target


def fit_short_side(picture: Image.Image, short_side: int) -> Image.Image:
    """Return the picture scaled down so that its short side is at most `short_side` pixels; never enlarged."""
    return _shrink(picture, short_side / min(picture.size))


def fit_long_side(picture: Image.Image, long_side: int) -> Image.Image:
    """Return the picture scaled down so that its long side is at most `long_side` pixels; never enlarged."""
    return _shrink(picture, long_side / max(picture.size))


def _shrink(picture: Image.Image, scale: float) -> Image.Image:
    if scale >= 1.0:
        return picture
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def random_crop(picture: Image.Image, rng: Rng, *, width: int, height: int) -> Image.Image:
    """Return a native-resolution crop at a random place, capped to the picture's own size."""
    width, height = min(width, picture.width), min(height, picture.height)
    left = int(rng.integers(0, picture.width - width + 1))
    top = int(rng.integers(0, picture.height - height + 1))
    return picture.crop((left, top, left + width, top + height))

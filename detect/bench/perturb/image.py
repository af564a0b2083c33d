"""Single changes of a picture, each at fixed strengths, for robustness sweeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from detect.bench.perturb.base import Rng, register
from detect.bench.perturb.pixels import open_rgb, random_crop, save_avif, save_jpeg, save_png, save_webp

Save = Callable[[Image.Image, Path], Path]
Edit = Callable[[Image.Image, Rng], Image.Image]


def _codec(name: str, about: str, save: Save) -> None:
    """Register a re-encoding of the unchanged pixels."""

    @register(name, media="image", version=1, about=about)
    def change(file: Path, stem: Path, rng: Rng) -> Path:
        return save(open_rgb(file), stem)


def _edit(name: str, about: str, edit: Edit) -> None:
    """Register a change of the pixels; the result is written without loss, so that nothing else changes."""

    @register(name, media="image", version=1, about=f"{about} Written as PNG.")
    def change(file: Path, stem: Path, rng: Rng) -> Path:
        return save_png(edit(open_rgb(file), rng), stem)


def _jpeg(quality: int) -> Save:
    return lambda picture, stem: save_jpeg(picture, stem, quality=quality)


def _webp(quality: int) -> Save:
    return lambda picture, stem: save_webp(picture, stem, quality=quality)


def _avif(quality: int) -> Save:
    return lambda picture, stem: save_avif(picture, stem, quality=quality)


def _resize(scale: float) -> Edit:
    def edit(picture: Image.Image, rng: Rng) -> Image.Image:
        size = (max(8, round(picture.width * scale)), max(8, round(picture.height * scale)))
        return picture.resize(size, Image.Resampling.BICUBIC)

    return edit


def _crop(share: float) -> Edit:
    def edit(picture: Image.Image, rng: Rng) -> Image.Image:
        side = share**0.5
        width, height = max(8, round(picture.width * side)), max(8, round(picture.height * side))
        return random_crop(picture, rng, width=width, height=height)

    return edit


def _blur(radius: float) -> Edit:
    return lambda picture, rng: picture.filter(ImageFilter.GaussianBlur(radius))


def _sharpen(percent: int) -> Edit:
    return lambda picture, rng: picture.filter(ImageFilter.UnsharpMask(radius=1.5, percent=percent, threshold=0))


def _noise(deviation: float) -> Edit:
    def edit(picture: Image.Image, rng: Rng) -> Image.Image:
        pixels = np.asarray(picture, dtype=np.float32)
        noisy = pixels + rng.normal(0.0, deviation, pixels.shape).astype(np.float32)
        return Image.fromarray(noisy.round().clip(0, 255).astype(np.uint8))

    return edit


def _recolour(picture: Image.Image, rng: Rng) -> Image.Image:
    """Change brightness, contrast and saturation by up to 25 %, and warm or cool the picture by up to 8 %."""
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        picture = enhance(picture).enhance(float(rng.uniform(0.75, 1.25)))
    warmth = float(rng.uniform(-0.08, 0.08))
    gains = np.array([1.0 + warmth, 1.0, 1.0 - warmth], dtype=np.float32)
    return Image.fromarray((np.asarray(picture, dtype=np.float32) * gains).round().clip(0, 255).astype(np.uint8))


def _grey(picture: Image.Image, rng: Rng) -> Image.Image:
    return picture.convert("L").convert("RGB")


def _gamma(value: float) -> Edit:
    table = [round(255 * (level / 255) ** value) for level in range(256)] * 3
    return lambda picture, rng: picture.point(table)


def _rotate(picture: Image.Image, rng: Rng) -> Image.Image:
    """Straighten by 2 to 5 degrees either way and cut the empty corners off."""
    angle = float(rng.uniform(2.0, 5.0)) * (1 if rng.random() < 0.5 else -1)
    turned = picture.rotate(angle, Image.Resampling.BICUBIC)
    inset = np.sin(np.radians(abs(angle)))
    dx, dy = int(picture.height * inset) + 1, int(picture.width * inset) + 1
    if 2 * dx >= picture.width - 8 or 2 * dy >= picture.height - 8:
        return turned
    return turned.crop((dx, dy, picture.width - dx, picture.height - dy))


def _screenshot(picture: Image.Image, rng: Rng) -> Image.Image:
    """Show the picture at a fractional scale on a page with bars above and below, as a phone or browser does."""
    scale = float(rng.choice([0.5, 0.67, 0.75, 0.9, 1.1, 1.25]))
    size = (max(8, round(picture.width * scale)), max(8, round(picture.height * scale)))
    shown = picture.resize(size, Image.Resampling.BILINEAR)
    margin, bar = int(rng.integers(0, 24)), int(rng.integers(24, 64))
    shade = int(rng.choice([255, 245, 32, 18]))
    page = Image.new("RGB", (size[0] + 2 * margin, size[1] + 2 * bar), (shade, shade, shade))
    page.paste(shown, (margin, bar))
    return page


for _quality in (95, 85, 75, 60, 40, 20):
    _codec(f"jpeg-{_quality}", f"JPEG quality {_quality}, 4:2:0.", _jpeg(_quality))
for _quality in (90, 75, 50):
    _codec(f"webp-{_quality}", f"WebP quality {_quality}.", _webp(_quality))
for _quality in (75, 50, 30):
    _codec(f"avif-{_quality}", f"AVIF quality {_quality}.", _avif(_quality))
for _percent in (150, 75, 50, 25):
    _edit(f"resize-{_percent}", f"Scaled to {_percent} % of its sides (bicubic).", _resize(_percent / 100))
for _percent in (75, 50, 25):
    _edit(f"crop-{_percent}", f"A random crop that keeps {_percent} % of the area.", _crop(_percent / 100))
for _tenths in (7, 15, 30):
    _edit(f"blur-{_tenths / 10:g}", f"Gaussian blur, radius {_tenths / 10:g} px.", _blur(_tenths / 10))
for _deviation in (2, 5, 10):
    _edit(f"noise-{_deviation}", f"Gaussian noise of {_deviation} grey levels a channel.", _noise(float(_deviation)))
_edit("sharpen-150", "Unsharp mask, radius 1.5 px, 150 %.", _sharpen(150))
_edit("recolour", "Brightness, contrast, saturation within 25 %, warmth within 8 %, drawn per file.", _recolour)
_edit("gamma-0.7", "Gamma 0.7: lighter shadows.", _gamma(0.7))
_edit("gamma-1.4", "Gamma 1.4: darker.", _gamma(1.4))
_edit("grey", "Grey levels only.", _grey)
_edit("rotate", "Turned by 2 to 5 degrees (bicubic), empty corners cut off.", _rotate)
_edit("screenshot", "Shown at a fractional scale on a plain page with bars.", _screenshot)
_edit("median-3", "Median over 3 x 3 pixels.", lambda picture, rng: picture.filter(ImageFilter.MedianFilter(3)))

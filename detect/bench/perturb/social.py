"""What platforms do to a picture, as chains of scaling and JPEG.

None of them publishes its pipeline and all change it, so every chain states where its numbers are from. Long edges of
Facebook, Instagram and X: measured by upload in 2021 (Photo Taco podcast, "Dimensions and Quality For Social Media
Photo Sharing"). All qualities, and everything of the messengers, are approximations that bracket what users see; treat
these as named stress tests, not as emulators.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageFilter

from detect.bench.perturb.base import Rng, register
from detect.bench.perturb.pixels import fit_long_side, open_rgb, save_jpeg, save_webp


@dataclass(frozen=True)
class Platform:
    """One delivery: scaled down to a long edge, optionally sharpened, then JPEG or WebP of a quality drawn per file."""

    name: str
    long_edge: int
    quality: tuple[int, int]
    source: str
    tallest: float | None = None  # height / width that the feed allows; more is cut off
    sharpens: bool = False
    as_webp: bool = False

    def deliver(self, picture: Image.Image, stem: Path, rng: Rng) -> Path:
        """Write the delivered picture and return its file."""
        if self.tallest is not None and picture.height > self.tallest * picture.width:
            height = round(self.tallest * picture.width)
            top = (picture.height - height) // 2
            picture = picture.crop((0, top, picture.width, top + height))
        fitted = fit_long_side(picture, self.long_edge)
        if self.sharpens and fitted.size != picture.size:
            fitted = fitted.filter(ImageFilter.UnsharpMask(radius=0.6, percent=60, threshold=0))
        quality = int(rng.integers(self.quality[0], self.quality[1] + 1))
        return save_webp(fitted, stem, quality=quality) if self.as_webp else save_jpeg(fitted, stem, quality=quality)


PLATFORMS = (
    Platform("facebook", 1920, (70, 85), "long edge measured 2021; quality approximate"),
    Platform("instagram", 1080, (70, 85), "long edge measured 2021; rest approximate", tallest=1.25, sharpens=True),
    Platform("x", 4096, (80, 87), "long edge measured 2021; quality approximate"),
    Platform("whatsapp", 1600, (60, 78), "approximate: standard-quality photos, not documents"),
    Platform("telegram", 1280, (80, 87), "approximate: photos, not files"),
    Platform("web-thumbnail", 400, (70, 82), "approximate: search results and previews", as_webp=True),
)


def _register(platform: Platform) -> None:
    about = (
        f"Long edge at most {platform.long_edge} px, quality {platform.quality[0]}-{platform.quality[1]} drawn per file"
    )

    @register(f"social-{platform.name}", media="image", version=1, about=f"{about} ({platform.source}).")
    def change(file: Path, stem: Path, rng: Rng) -> Path:
        return platform.deliver(open_rgb(file), stem, rng)


for _platform in PLATFORMS:
    _register(_platform)

_HOPS = {platform.name: platform for platform in PLATFORMS}


@register(
    "social-chain",
    media="image",
    version=1,
    about="Telegram, then Instagram, then a screenshot's JPEG 75: a picture that was passed on three times.",
)
def chain(file: Path, stem: Path, rng: Rng) -> Path:
    """Deliver through two platforms and save once more."""
    first = _HOPS["telegram"].deliver(open_rgb(file), stem.with_name(f"{stem.name}-1"), rng)
    second = _HOPS["instagram"].deliver(open_rgb(first), stem.with_name(f"{stem.name}-2"), rng)
    return save_jpeg(open_rgb(second), stem, quality=75)

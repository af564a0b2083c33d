"""Single changes of a picture, each at fixed strengths, for robustness sweeps."""

from __future__ import annotations

from pathlib import Path

from detect.bench.perturb.base import Rng, register
from detect.bench.perturb.pixels import open_rgb, save_avif, save_jpeg, save_webp


def _register_qualities() -> None:
    """Register `jpeg-90` ... `avif-30`: one perturbation a codec and quality."""

    def jpeg(quality: int) -> None:
        @register(f"jpeg-{quality}", media="image", version=1, about=f"JPEG quality {quality}, 4:2:0.")
        def change(file: Path, stem: Path, rng: Rng) -> Path:
            return save_jpeg(open_rgb(file), stem, quality=quality)

    def webp(quality: int) -> None:
        @register(f"webp-{quality}", media="image", version=1, about=f"WebP quality {quality}.")
        def change(file: Path, stem: Path, rng: Rng) -> Path:
            return save_webp(open_rgb(file), stem, quality=quality)

    def avif(quality: int) -> None:
        @register(f"avif-{quality}", media="image", version=1, about=f"AVIF quality {quality}.")
        def change(file: Path, stem: Path, rng: Rng) -> Path:
            return save_avif(open_rgb(file), stem, quality=quality)

    for quality in (95, 85, 75, 60, 40, 20):
        jpeg(quality)
    for quality in (90, 75, 50):
        webp(quality)
    for quality in (75, 50, 30):
        avif(quality)


_register_qualities()

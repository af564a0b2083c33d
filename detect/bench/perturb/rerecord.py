"""Photographed or filmed off a screen: the pixels pass a display, the air, a lens and a second camera.

A coarse physical model and not an emulator: red, green and blue stripes of the display, a camera held at a slight
angle (resampling across those stripes makes moire, as with a phone before a monitor), defocus, uneven light, a shift of
colour, sensor noise that grows with brightness, and the second camera's own coding.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from detect.bench.perturb.base import Rng, register
from detect.bench.perturb.clip import frame_rate, map_frames, read_frames, write_clip
from detect.bench.perturb.pixels import fit_long_side, open_rgb, save_jpeg

Floats = npt.NDArray[np.float64]

_STRIPES = 3
"""Display sub-pixels across one picture pixel: red, green, blue."""
_STRIPE_CONTRAST = 0.55
"""How dark a stripe is in the two colours that are not its own; lenses and glare fill most of the gaps."""
_PHOTO_SIDE = 1024
_FILM_SIDE = 480


@dataclass(frozen=True)
class Screen:
    """One setting of display and camera, drawn once a file.

    Attributes:
        corners: (4, 2), how far each corner lies inside the frame, as a share of its sides.
        scale: Camera pixels a display pixel; near 1 the stripes beat with the sensor.
        aperture: Blur by the lens before the sensor samples, in display sub-pixels; it leaves faint moire.
        blur_px: Radius of the defocus in camera pixels.
        gains: (3,), colour of the display under the camera's white balance.
        slope: (2,), change of the light across and down the frame, as a share.
        noise: Standard deviation at full brightness, grey levels.
    """

    corners: Floats
    scale: float
    aperture: float
    blur_px: float
    gains: Floats
    slope: Floats
    noise: float

    @classmethod
    def draw(cls, rng: Rng) -> Screen:
        """Return a setting as a hand-held phone before a monitor has it."""
        return cls(
            corners=rng.uniform(0.0, 0.05, (4, 2)),
            scale=float(rng.uniform(0.9, 1.35)),
            aperture=float(rng.uniform(0.9, 1.4)),
            blur_px=float(rng.uniform(0.4, 1.0)),
            gains=rng.uniform(0.9, 1.0, 3),
            slope=rng.uniform(-0.12, 0.12, 2),
            noise=float(rng.uniform(1.5, 4.0)),
        )

    def shoot(self, picture: Image.Image, rng: Rng, *, shake: float = 0.0) -> Image.Image:
        """Return what the camera records of the picture; `shake` moves the corners by that share of the frame."""
        width, height = round(picture.width * self.scale), round(picture.height * self.scale)
        corners = self.corners + rng.normal(0.0, shake, 2)
        lit = _show(picture).filter(ImageFilter.GaussianBlur((self.aperture, self.aperture / _STRIPES)))
        taken = lit.transform(
            (max(8, width), max(8, height)),
            Image.Transform.PERSPECTIVE,
            _perspective(corners, (max(8, width), max(8, height)), (picture.width * _STRIPES, picture.height)),
            Image.Resampling.BILINEAR,
        )
        return self._expose(taken.filter(ImageFilter.GaussianBlur(self.blur_px)), rng)

    def _expose(self, taken: Image.Image, rng: Rng) -> Image.Image:
        light = np.asarray(taken, dtype=np.float32) * self.gains.astype(np.float32)
        across = np.linspace(-1, 1, taken.width, dtype=np.float32)[None, :, None] * np.float32(self.slope[0])
        down = np.linspace(-1, 1, taken.height, dtype=np.float32)[:, None, None] * np.float32(self.slope[1])
        light = light * (1 + across + down) + 6.0  # the room's light on the glass lifts black
        spread = self.noise * np.sqrt(np.clip(light, 8.0, 255.0) / 255.0)
        noisy = light + rng.standard_normal(light.shape, dtype=np.float32) * spread
        return Image.fromarray(noisy.round().clip(0, 255).astype(np.uint8))


def _show(picture: Image.Image) -> Image.Image:
    """Return the lit display: three columns a pixel, each mostly one colour, as bright on the whole as the picture."""
    pixels = np.repeat(np.asarray(picture, dtype=np.float32), _STRIPES, axis=1)  # (H, 3W, 3)
    mask = np.full((_STRIPES, 3), 1.0 - _STRIPE_CONTRAST, dtype=np.float32)
    np.fill_diagonal(mask, 1.0)
    pixels *= np.tile(mask / mask.mean(axis=0), (picture.width, 1))[None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _perspective(corners: Floats, taken: tuple[int, int], shown: tuple[int, int]) -> list[float]:
    """Return Pillow's eight coefficients that map camera pixels to display pixels.

    The camera's frame sees the display's area inside `corners`, so that no edge of the screen shows.
    """
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=float)
    inward = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]], dtype=float)
    target = (unit + inward * np.clip(corners, 0.0, 0.2)) * np.asarray(shown)
    rows, values = [], []
    for (x, y), (u, v) in zip(unit * np.asarray(taken), target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return [float(value) for value in np.linalg.solve(np.asarray(rows), np.asarray(values))]


@register(
    "rerecord",
    media="image",
    version=1,
    about="Photographed off a screen: long edge at most 1024 px on the display, stripes and moire, slight angle, "
    "defocus, uneven light, sensor noise, JPEG 80-92 drawn per file.",
)
def photograph(file: Path, stem: Path, rng: Rng) -> Path:
    """Photograph the picture off a display."""
    screen = Screen.draw(rng)
    taken = screen.shoot(fit_long_side(open_rgb(file), _PHOTO_SIDE), rng)
    return save_jpeg(taken, stem, quality=int(rng.integers(80, 93)))


@register(
    "rerecord",
    media="video",
    version=1,
    about="Filmed off a screen: long edge at most 480 px on the display, stripes and moire, slight angle, a shaking "
    "hand, defocus, uneven light, sensor noise, H.264 CRF 23, silent.",
)
def film(file: Path, stem: Path, rng: Rng) -> Path:
    """Film the clip off a display."""
    screen = Screen.draw(rng)
    frames = map_frames(
        read_frames(file), lambda frame: screen.shoot(fit_long_side(frame, _FILM_SIDE), rng, shake=0.002)
    )
    return write_clip(frames, stem, fps=frame_rate(file), crf=23)

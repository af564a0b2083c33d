"""Changes of a clip: rates of H.264, H.265 and AV1, scale, frame rate, and the two protocols of the main tables.

Codec changes keep the sound (as AAC 128 kbit/s); the protocols drop it, since half of the generators make none and
silence would name them.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from detect.bench.perturb.base import Rng, register
from detect.bench.perturb.clip import MAX_FRAMES, frame_rate, map_frames, read_frames, thin_frames, write_clip
from detect.bench.perturb.pixels import fit_short_side

_BORDER = 0.12
"""Cut from each side first: logos, captions and rounded corners sit there on generated clips only (data.md)."""
_CLEAN_SIDES = (256, 320, 384)
_SECONDS = 3.0


def _codec(name: str, about: str, codec: str, crf: int) -> None:
    @register(name, media="video", version=1, about=about)
    def change(file: Path, stem: Path, rng: Rng) -> Path:
        fps = frame_rate(file)
        return write_clip(
            read_frames(file), stem, fps=fps, codec=codec, crf=crf, sound_from=file, max_sound_s=MAX_FRAMES / fps
        )


for _crf in (23, 28, 34):
    _codec(f"h264-{_crf}", f"H.264 (x264, fast), CRF {_crf}.", "libx264", _crf)
for _crf in (28, 34):
    _codec(f"h265-{_crf}", f"H.265 (x265, fast), CRF {_crf}.", "libx265", _crf)
for _crf in (35, 50):
    _codec(f"av1-{_crf}", f"AV1 (SVT, preset 9), CRF {_crf}.", "libsvtav1", _crf)


@register("resize-50", media="video", version=1, about="Half the width and height, H.264 CRF 20, sound kept.")
def resize(file: Path, stem: Path, rng: Rng) -> Path:
    """Halve the size."""
    fps = frame_rate(file)
    frames = map_frames(
        read_frames(file), lambda frame: frame.resize((max(16, frame.width // 2), max(16, frame.height // 2)))
    )
    return write_clip(frames, stem, fps=fps, crf=20, sound_from=file, max_sound_s=MAX_FRAMES / fps)


@register("fps-12", media="video", version=1, about="At most 12 frames a second, H.264 CRF 20, silent.")
def slow(file: Path, stem: Path, rng: Rng) -> Path:
    """Drop frames."""
    fps = frame_rate(file)
    return write_clip(thin_frames(read_frames(file), fps=fps, wanted_fps=12.0), stem, fps=min(fps, 12.0), crf=20)


@register(
    "messenger",
    media="video",
    version=1,
    about="Short side at most 480 px, H.264 CRF 30, sound kept: a clip passed on in a chat (approximate).",
)
def messenger(file: Path, stem: Path, rng: Rng) -> Path:
    """Scale down and compress as chats do."""
    fps = frame_rate(file)
    frames = map_frames(read_frames(file), lambda frame: fit_short_side(frame, 480))
    return write_clip(frames, stem, fps=fps, crf=30, sound_from=file, max_sound_s=MAX_FRAMES / fps)


def cut_border(frame: Image.Image) -> Image.Image:
    """Return the inner part of a frame: 12 % gone on each side."""
    dx, dy = int(frame.width * _BORDER), int(frame.height * _BORDER)
    return frame.crop((dx, dy, frame.width - dx, frame.height - dy))


@register(
    "clean",
    media="video",
    version=1,
    about="12 % cut from each border, at most 3 s at 8 frames a second, one native-resolution window whose sides are "
    "drawn from 256/320/384 px (capped by the picture), H.264 CRF 16-22, silent.",
)
def clean(file: Path, stem: Path, rng: Rng) -> Path:
    """Equalise size, rate, length and coding without resampling pixels."""
    width, height = int(rng.choice(_CLEAN_SIDES)), int(rng.choice(_CLEAN_SIDES))
    across, down = float(rng.random()), float(rng.random())

    def window(frame: Image.Image) -> Image.Image:
        inner = cut_border(frame)
        w, h = min(width, inner.width), min(height, inner.height)
        left, top = int(across * (inner.width - w)), int(down * (inner.height - h))
        return inner.crop((left, top, left + w, top + h))

    return write_clip(map_frames(_even_pace(file), window), stem, fps=_PACE_FPS, crf=int(rng.integers(16, 23)))


@register(
    "laundered",
    media="video",
    version=1,
    about="12 % cut from each border, at most 3 s at 8 frames a second, short side scaled to at most 240-360 px, "
    "H.264 CRF 28-34, silent.",
)
def laundered(file: Path, stem: Path, rng: Rng) -> Path:
    """Scale down and compress hard, both labels alike."""
    side = int(rng.integers(240, 361))
    frames = map_frames(_even_pace(file), lambda frame: fit_short_side(cut_border(frame), side))
    return write_clip(frames, stem, fps=_PACE_FPS, crf=int(rng.integers(28, 35)))


_PACE_FPS = 8.0
"""Generated clips run at 6-24 frames a second, real ones at 25-30: one pace for all hides which is which."""


def _even_pace(file: Path) -> list[Image.Image]:
    fps = frame_rate(file)
    needed = min(MAX_FRAMES, int(_SECONDS * fps) + 1)
    kept = thin_frames(read_frames(file, max_frames=needed), fps=fps, wanted_fps=_PACE_FPS)
    return list(kept)[: int(_SECONDS * _PACE_FPS)]

"""A detector that never looks at the content: what `witnessmark bench audit` must catch.

It reads the format and the shape that generated pictures usually have on the web: PNG or WebP, square, sides of 512,
768 or 1024 pixels.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

_USUAL_SIDES = {512, 768, 1024}


def judge(path: str | Path) -> dict[str, float]:
    """Return a log-likelihood ratio from format, shape and size alone."""
    with Image.open(path) as picture:
        llr = 1.0 if picture.format in ("PNG", "WEBP") else -1.0
        llr += 1.0 if picture.width == picture.height else -0.5
        llr += 0.5 * (picture.width in _USUAL_SIDES) - abs(picture.width - picture.height) / 2000
    return {"llr": llr}

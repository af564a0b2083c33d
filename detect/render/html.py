"""Reports as one self-contained HTML page: no request leaves it, no string of a file acts in it.

The page carries its pictures, style and script in itself. Its content security policy admits exactly that style and
that script by hash and forbids everything else, so that even a hole in the escaping could not run anything.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup, escape

from detect.render import levels, words
from detect.render.audio import Sound
from detect.render.heatmap import palette
from detect.render.view import build_view
from detect.text import clean_text
from detect.types import Report, UInt8Array

TEMPLATES = Path(__file__).parent / "templates"
_MAX_CHARACTERS = 2000
# Longer side in pixels of the shown pictures, by how many Reports share the page: it must stay easy to send.
_MAX_SIDES = ((1, 1400), (10, 900), (50, 600))
_MIN_MAX_SIDE = 320


@dataclass(frozen=True)
class PageItem:
    """One Report and, when the page is to show them, its upright picture as (H, W, 3) uint8, stills of its clip, or its
    sound."""

    report: Report
    pixels_rgb: UInt8Array | None = None
    stills: Sequence[tuple[float, UInt8Array]] = ()
    sound: Sound | None = None


def format_page(
    items: Iterable[PageItem],
    *,
    count: int,
    title: str = "Witnessmark report",
    made_at: datetime | None = None,
    version: str = "",
) -> str:
    """Return one HTML page with a section for each Report, and an index when there are several.

    Args:
        items: The Reports with their pictures; each picture is released before the next is asked for.
        count: How many there are; decides how large pictures are shown.
        title: Title of the page.
        made_at: Stated on the page when given; left out, equal Reports make equal pages.
        version: Of the software, stated on the page.
    """
    max_side = next((side for most, side in _MAX_SIDES if count <= most), _MIN_MAX_SIDE)
    views = [
        build_view(
            item.report,
            anchor=f"report-{number}",
            pixels_rgb=item.pixels_rgb,
            max_side=max_side,
            stills=item.stills,
            sound=item.sound,
        )
        for number, item in enumerate(items, start=1)
    ]
    made = made_at.strftime("%Y-%m-%d %H:%M %Z").strip() if made_at else ""
    page = _environment().get_template("page.html.j2")
    return page.render(views=views, title=title, made=made, version=version, **_page_parts())


@functools.cache
def _page_parts() -> dict[str, Any]:
    """Read style and script and write the policy that admits exactly them."""
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; img-src data:; media-src data:; style-src '{_source_hash(style)}'; "
        f"script-src '{_source_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    # Both files are our own; neither may close its element early.
    return {"style": Markup(style), "script": Markup(script), "policy": Markup(policy)}  # noqa: S704


def _source_hash(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "signed": words.signed,
        "score": words.score,
        "label": levels.label,
        "preformatted": _preformatted,
    }
    environment.globals |= {"words": words, "value_text": levels.value_text, "legend_stops": _legend_stops()}
    return environment


def _preformatted(text: str) -> Markup:
    """Escape text whose strings are cleaned already, and keep its lines."""
    return escape(text)


def _legend_stops() -> list[tuple[float, str, float]]:
    """Return (offset, colour, opacity) of the legend, as the overlay looks at the slider's first position."""
    places = np.linspace(0.0, 1.0, 9, dtype=np.float32)
    colours = [f"rgb({red},{green},{blue})" for red, green, blue in palette(places)]
    return [(float(place), colour, 0.65 * float(place)) for place, colour in zip(places, colours, strict=True)]


def _finalize(value: Any) -> Any:
    """Clean every string that a template prints, besides the escaping; markup of our own passes."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return clean_text(value, max_characters=_MAX_CHARACTERS)
    return value

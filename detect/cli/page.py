"""Write the HTML page of a run: the Reports with their pictures, decoded once more in the guarded child."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from detect import __version__
from detect.cli.inputs import Source
from detect.errors import ConfigError, WitnessmarkError
from detect.files import write_whole
from detect.render.audio import Sound, is_shown, judged_sound
from detect.render.html import PageItem, format_page
from detect.render.pdf import format_pdf
from detect.types import MediaKind, Report, UInt8Array

_MOST_STILLS = 24
"""Frames of one clip on a page: about 200 kB."""


def check_target(path: Path) -> None:
    """Refuse a page that could not be written, before hours are spent on its content.

    Raises:
        ConfigError: The folder does not exist or cannot be written, or the path is a folder.
        MissingExtraError: A PDF is wanted, and nothing here can draw one.
    """
    if _is_pdf(path):
        format_pdf("<p>x")  # opens Pango, which the wheel of WeasyPrint does not bring
    folder = path.parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ConfigError(f"--html {path}: expected a file name in an existing folder that can be written")


def write_page(path: Path, results: Sequence[tuple[Source, Report]]) -> None:
    """Write the page in one step: a reader finds the old page or the whole new one. A name in `.pdf` gets a PDF."""
    items = (
        PageItem(report, _pixels(source, report), _stills(source, report), _sound(source, report))
        for source, report in results
    )
    page = format_page(items, count=len(results), made_at=datetime.now(UTC), version=__version__)
    content = format_pdf(page) if _is_pdf(path) else page.encode("utf-8")
    write_whole(path, content)


def _is_pdf(path: Path) -> bool:
    return path.suffix.lower() == ".pdf"


def _stills(source: Source, report: Report) -> list[tuple[float, UInt8Array]]:
    """Return frames spread over a clip for showing; none when it is no clip, or changed since it was judged."""
    if report.error or report.media is None or report.media.kind is not MediaKind.VIDEO:
        return []
    from detect.media import open_source
    from detect.media.video import open_video
    from detect.render.clip import STILL_WIDTH
    from detect.render.pictures import shrink

    try:
        with open_source(source.path) as opened:
            if opened.sha256 != report.media.sha256:
                return []
            stills = [(frame.time_s, shrink(frame.pixels_rgb, max_side=STILL_WIDTH)) for frame in open_video(opened)]
    except WitnessmarkError:
        return []
    return stills[:: -(-len(stills) // _MOST_STILLS)]


def _sound(source: Source, report: Report) -> Sound | None:
    """Return the judged channel of a recording for showing; None when it is none, very long, or changed since."""
    if not is_shown(report) or report.media is None:
        return None
    from detect.media import open_source
    from detect.media.audio import decode_audio

    try:
        with open_source(source.path) as opened:
            if opened.sha256 != report.media.sha256:
                return None
            return judged_sound(report, decode_audio(opened))
    except WitnessmarkError:
        return None


def _pixels(source: Source, report: Report) -> UInt8Array | None:
    """Return the picture of a Report for showing; None when it is none, or changed since it was judged."""
    if report.error or report.media is None or report.media.kind is not MediaKind.IMAGE:
        return None
    from detect.media import open_source
    from detect.media.image import decode_image

    try:
        with open_source(source.path) as opened:
            return decode_image(opened).pixels_rgb if opened.sha256 == report.media.sha256 else None
    except WitnessmarkError:
        return None

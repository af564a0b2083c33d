"""Where in a file, for pages: heat-map cells and regions as rows with words, spans as marks on a time axis."""

from __future__ import annotations

from dataclasses import dataclass

from detect.render.words import clock
from detect.types import HeatMap, Region, Span

MAX_CELLS_LISTED = 5
MAX_OUTLINES = 8
FLAGGED_FROM = 0.5
"""Regions below this score are listed, not outlined: a classifier's patches cover the whole picture. Stretches and
steps of a time axis below it are drawn as those that look authentic."""
MAX_TICKS = 10
_ROWS = ("upper", "middle", "lower")
_COLUMNS = ("left", "centre", "right")
# Steps of a time axis in seconds, as clocks are read.
_TICK_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


@dataclass(frozen=True)
class Place:
    """A rectangle in pixels of the upright picture, with words for where it lies and its score in [0, 1]."""

    words: str
    x: int
    y: int
    width: int
    height: int
    p_synthetic: float | None
    label: str


@dataclass(frozen=True)
class Mark:
    """A stretch of time as a share of the whole, `start` and `width` in [0, 1], with its clock times."""

    start: float
    width: float
    start_clock: str
    end_clock: str
    p_synthetic: float | None
    label: str

    @property
    def is_flagged(self) -> bool:
        """Whether it leans towards made by a machine."""
        return is_flagged(self.p_synthetic)

    @property
    def opacity(self) -> float:
        """How strongly it is drawn, in [0.15, 1]: the further it leans to its side, the stronger."""
        return 0.15 + 0.85 * (0.6 if self.p_synthetic is None else abs(2 * self.p_synthetic - 1))


@dataclass(frozen=True)
class Timeline:
    """The time axis of one evidence: ticks as (share, clock) and the marks in order of time."""

    duration_s: float
    ticks: tuple[tuple[float, str], ...]
    marks: tuple[Mark, ...]


def is_flagged(p_synthetic: float | None) -> bool:
    """Say whether a place or stretch with this score stands out; one without was named for what its label says."""
    return p_synthetic is None or p_synthetic >= FLAGGED_FROM


def place_words(x: float, y: float) -> str:
    """Return words for a point given in shares of width and height.

    Example:
        >>> place_words(0.1, 0.1), place_words(0.5, 0.5)
        ('upper left', 'centre')
    """
    row, column = _ROWS[_third(y)], _COLUMNS[_third(x)]
    if row == "middle":
        return column if column == "centre" else f"middle {column}"
    return f"{row} {column}"


def region_places(regions: tuple[Region, ...], *, width: int, height: int) -> tuple[Place, ...]:
    """Return the regions of a picture of that size (pixels) with words, highest score first."""
    places = [
        Place(
            words=place_words((item.x + item.width / 2) / max(width, 1), (item.y + item.height / 2) / max(height, 1)),
            x=item.x,
            y=item.y,
            width=item.width,
            height=item.height,
            p_synthetic=item.p_synthetic,
            label=item.label,
        )
        for item in regions
    ]
    return tuple(sorted(places, key=lambda item: -(item.p_synthetic or 0.0)))


def outlined(places: tuple[Place, ...]) -> tuple[Place, ...]:
    """Return the places that a picture is marked with: the highest that stand out, and those without a score."""
    marked = [place for place in places if is_flagged(place.p_synthetic)]
    return tuple(marked[:MAX_OUTLINES])


def highest_cells(heat_map: HeatMap, *, limit: int = MAX_CELLS_LISTED) -> tuple[Place, ...]:
    """Return the cells with the highest scores, highest first, as rectangles in pixels."""
    rows, columns = len(heat_map.grid), len(heat_map.grid[0])
    cells = [(score, row, column) for row, line in enumerate(heat_map.grid) for column, score in enumerate(line)]
    cells.sort(key=lambda cell: (-cell[0], cell[1], cell[2]))
    places = []
    for score, row, column in cells[:limit]:
        left, right = (round(heat_map.width * edge / columns) for edge in (column, column + 1))
        top, bottom = (round(heat_map.height * edge / rows) for edge in (row, row + 1))
        places.append(
            Place(
                words=place_words((column + 0.5) / columns, (row + 0.5) / rows),
                x=left,
                y=top,
                width=right - left,
                height=bottom - top,
                p_synthetic=score,
                label="",
            )
        )
    return tuple(places)


def build_timeline(spans: tuple[Span, ...], *, duration_s: float | None) -> Timeline | None:
    """Return the axis and marks of the spans; None when there are none.

    Args:
        spans: In any order, seconds.
        duration_s: Of the file; the end of the last span is used when it is unknown or shorter.
    """
    if not spans:
        return None
    whole_s = max([duration_s or 0.0, *(span.end_s for span in spans), 1e-3])
    marks = tuple(
        Mark(
            start=max(span.start_s, 0.0) / whole_s,
            width=max(span.end_s - max(span.start_s, 0.0), 0.0) / whole_s,
            start_clock=clock(span.start_s),
            end_clock=clock(span.end_s),
            p_synthetic=span.p_synthetic,
            label=span.label,
        )
        for span in sorted(spans, key=lambda span: (span.start_s, span.end_s))
    )
    return Timeline(duration_s=whole_s, ticks=_ticks(whole_s), marks=marks)


def _ticks(whole_s: float) -> tuple[tuple[float, str], ...]:
    step_s = next((step for step in _TICK_STEPS_S if whole_s / step <= MAX_TICKS), whole_s / MAX_TICKS)
    count = int(whole_s / step_s + 1e-9)
    return tuple((index * step_s / whole_s, clock(index * step_s)) for index in range(count + 1))


def _third(share: float) -> int:
    return min(max(int(share * 3), 0), 2)

"""Places and times for pages."""

from __future__ import annotations

import pytest

from detect.render.places import build_timeline, highest_cells, outlined, place_words, region_places
from detect.types import HeatMap, Region, Span


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [(0.0, 0.0, "upper left"), (0.5, 0.5, "centre"), (0.99, 0.5, "middle right"), (1.0, 1.0, "lower right")],
)
def test_places_are_named_by_thirds(x: float, y: float, words: str) -> None:
    assert place_words(x, y) == words


def test_highest_cells_come_first_with_their_pixels() -> None:
    first, second, *_ = highest_cells(HeatMap(300, 200, ((0.1, 0.2, 0.9), (0.3, 0.8, 0.0))))
    assert (first.p_synthetic, first.x, first.y, first.width, first.height) == (0.9, 200, 0, 100, 100)
    assert (second.p_synthetic, second.x, second.y) == (0.8, 100, 100)


def test_cells_that_do_not_divide_the_picture_cover_it_without_gaps() -> None:
    cells = highest_cells(HeatMap(100, 10, ((0.1, 0.2, 0.3),)), limit=3)
    spans = sorted((cell.x, cell.x + cell.width) for cell in cells)
    assert spans == [(0, 33), (33, 67), (67, 100)]


def test_regions_are_ordered_by_score() -> None:
    places = region_places((Region(0, 0, 10, 10, 0.2), Region(90, 90, 10, 10, 0.9)), width=100, height=100)
    assert [place.words for place in places] == ["lower right", "upper left"]


def test_only_areas_that_stand_out_are_outlined() -> None:
    patches = tuple(Region(number, 0, 10, 10, number / 20) for number in range(20))
    face = Region(50, 50, 10, 10, None, "face")
    marked = outlined(region_places((*patches, face), width=100, height=100))
    assert len(marked) == 8
    assert all(place.p_synthetic >= 0.5 for place in marked if place.p_synthetic is not None)
    assert outlined(region_places((face,), width=100, height=100))[0].label == "face"


def test_timeline_orders_marks_and_ends_with_the_file() -> None:
    timeline = build_timeline((Span(30, 40, 0.9), Span(5, 10, 0.6)), duration_s=60)
    assert timeline is not None
    assert [mark.start_clock for mark in timeline.marks] == ["0:05.0", "0:30.0"]
    assert timeline.marks[1].start == pytest.approx(0.5)
    assert [clock for _, clock in timeline.ticks] == [f"0:{second:02d}.0" for second in range(0, 60, 10)] + ["1:00.0"]


def test_span_past_the_stated_end_lengthens_the_axis() -> None:
    timeline = build_timeline((Span(0, 90),), duration_s=60)
    assert timeline is not None
    assert timeline.duration_s == 90


@pytest.mark.parametrize("duration_s", [0.5, 3.0, 59.0, 3600.0, 86_400.0, 1e6])
def test_axis_has_a_readable_number_of_ticks(duration_s: float) -> None:
    timeline = build_timeline((Span(0, 0.1),), duration_s=duration_s)
    assert timeline is not None
    assert 2 <= len(timeline.ticks) <= 11


def test_no_spans_make_no_timeline() -> None:
    assert build_timeline((), duration_s=60) is None

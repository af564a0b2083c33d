"""Heat maps over pictures: same type back, lit where the score is high, told by more than colour."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from detect.errors import ConfigError
from detect.render.heatmap import HeatMapAnnotator, palette, stretch
from detect.types import HeatMap

GREY = np.full((90, 120, 3), 128, dtype=np.uint8)
LEFT_HIGH = HeatMap(120, 90, ((1.0, 0.0), (1.0, 0.0)))
NOTHING = HeatMap(120, 90, ((0.0, 0.0), (0.0, 0.0)))


def test_array_in_array_out_of_same_size_and_input_untouched() -> None:
    before = GREY.copy()
    result = HeatMapAnnotator().annotate(GREY, LEFT_HIGH)
    assert isinstance(result, np.ndarray)
    assert result.shape == GREY.shape
    assert result.dtype == np.uint8
    assert (before == GREY).all()


def test_pillow_image_in_pillow_image_out() -> None:
    result = HeatMapAnnotator().annotate(Image.fromarray(GREY), LEFT_HIGH)
    assert isinstance(result, Image.Image)
    assert result.size == (120, 90)


def test_high_cells_change_the_picture_and_zero_cells_do_not() -> None:
    result = HeatMapAnnotator().annotate(GREY, LEFT_HIGH).astype(int)
    assert np.abs(result[:, :25] - 128).mean() > 20
    assert (result[:, -25:] == 128).all()


def test_map_of_zeros_changes_nothing() -> None:
    assert (HeatMapAnnotator().annotate(GREY, NOTHING) == GREY).all()


def test_hatching_and_contour_tell_the_high_area_without_colour() -> None:
    plain = HeatMapAnnotator(is_hatched=False, is_contoured=False).overlay(LEFT_HIGH, width=120, height=90)
    hatched = HeatMapAnnotator(is_contoured=False).overlay(LEFT_HIGH, width=120, height=90)
    contoured = HeatMapAnnotator(is_hatched=False).overlay(LEFT_HIGH, width=120, height=90)
    assert (plain != hatched).any(axis=2)[:, :50].mean() > 0.1
    assert not (plain != hatched).any(axis=2)[:, 70:].any()
    columns_of_contour = np.flatnonzero((plain != contoured).any(axis=(0, 2)))
    assert columns_of_contour.min() >= 50
    assert columns_of_contour.max() <= 70


def test_opacity_scales_the_overlay() -> None:
    look = {"is_hatched": False, "is_contoured": False}
    faint = HeatMapAnnotator(opacity=0.3, **look).overlay(LEFT_HIGH, width=120, height=90)
    full = HeatMapAnnotator(opacity=1.0, **look).overlay(LEFT_HIGH, width=120, height=90)
    assert faint[..., 3].max() == pytest.approx(0.3 * full[..., 3].max(), abs=1)


def test_legend_makes_the_picture_taller_and_leaves_it_whole() -> None:
    without = HeatMapAnnotator().annotate(GREY, LEFT_HIGH)
    with_legend = HeatMapAnnotator(has_legend=True).annotate(GREY, LEFT_HIGH)
    assert with_legend.shape == (90 + 44, 120, 3)
    assert (with_legend[:90] == without).all()


@pytest.mark.parametrize("width", [1, 20, 3000])
def test_legend_fits_any_width(width: int) -> None:
    assert HeatMapAnnotator().legend(width).shape == (44, width, 3)


def test_cells_are_stretched_to_their_place() -> None:
    scores = stretch(HeatMap(100, 100, ((0.0, 1.0), (0.0, 0.0))), width=100, height=100)
    assert np.unravel_index(scores.argmax(), scores.shape)[0] < 50
    assert scores[:25, 75:].min() > 0.9
    assert scores[75:, :25].max() < 0.1


def test_palette_gets_lighter_with_the_score() -> None:
    lightness = palette(np.linspace(0, 1, 20, dtype=np.float32)).astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > 0).all()


@pytest.mark.parametrize("grid", [(), ((),), ((0.1, 0.2), (0.3,))], ids=["empty", "no columns", "ragged"])
def test_impossible_grids_are_refused(grid: tuple[tuple[float, ...], ...]) -> None:
    with pytest.raises(ConfigError):
        HeatMapAnnotator().annotate(GREY, HeatMap(120, 90, grid))


@pytest.mark.parametrize("picture", [GREY[..., 0], GREY.astype(np.float32)], ids=["grey", "float"])
def test_other_arrays_are_refused(picture: np.ndarray) -> None:  # type: ignore[type-arg]
    with pytest.raises(ConfigError, match=r"expected \(H, W, 3\) uint8"):
        HeatMapAnnotator().annotate(picture, LEFT_HIGH)


@pytest.mark.parametrize("look", [{"opacity": 0.0}, {"opacity": 1.1}, {"threshold": -0.1}])
def test_look_outside_its_range_is_refused(look: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        HeatMapAnnotator(**look)  # type: ignore[arg-type]

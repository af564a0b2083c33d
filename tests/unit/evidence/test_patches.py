"""Patches cover the picture evenly, at its own resolution, the same way every time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detect.evidence.patches import MIN_SIDE, pick_patches


def picture(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows % 256, columns % 256, (rows + columns) % 256], axis=2).astype(np.uint8)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 1500), st.integers(1, 1500), st.integers(1, 16))
def test_patches_lie_inside_and_show_what_is_there(height, width, max_patches):
    pixels = picture(height, width)
    patches = pick_patches(pixels, side=224, max_patches=max_patches)
    assert 1 <= len(patches) <= max_patches
    for patch in patches:
        assert min(patch.pixels.shape[:2]) >= MIN_SIDE
        assert max(patch.pixels.shape[:2]) <= max(224, MIN_SIDE)
        part = pixels[patch.y : patch.y + 224, patch.x : patch.x + 224]
        np.testing.assert_array_equal(patch.pixels[: part.shape[0], : part.shape[1]], part)


@pytest.mark.parametrize(
    ("height", "width", "max_patches", "count"),
    [
        pytest.param(224, 224, 9, 1, id="exactly-one"),
        pytest.param(448, 448, 9, 4, id="two-by-two"),
        pytest.param(1000, 1000, 9, 9, id="square-three-by-three"),
        pytest.param(300, 3000, 9, 9, id="panorama-in-a-row"),
        pytest.param(30, 3000, 9, 9, id="thin"),
        pytest.param(50, 60, 9, 1, id="tiny-is-mirrored"),
    ],
)
def test_number_of_patches(height, width, max_patches, count):
    assert len(pick_patches(picture(height, width), side=224, max_patches=max_patches)) == count


def test_corners_are_seen():
    patches = pick_patches(picture(900, 1200), side=224, max_patches=9)
    assert {(0, 0), (1200 - 224, 900 - 224)} <= {(patch.x, patch.y) for patch in patches}

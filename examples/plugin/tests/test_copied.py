"""The example's own tests; they run against the installed package."""

import numpy as np
from witnessmark_example.copied import SIDE, CopiedBlocks, CopiedBlocksDetector, find_copies

from detect.evidence.plugins import Examiner, Media
from detect.types import DecodedImage, Finding, MediaFacts, MediaKind


def noise(side: int = 160) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)


def cloned() -> np.ndarray:
    pixels = noise()
    pixels[96 : 96 + 2 * SIDE, 101 : 101 + 2 * SIDE] = pixels[12 : 12 + 2 * SIDE, 24 : 24 + 2 * SIDE]
    return pixels


def media(pixels: np.ndarray) -> Media:
    facts = MediaFacts("a.png", "0" * 64, 1, MediaKind.IMAGE, "png", "image/png")
    return Media(facts, image=DecodedImage(pixels, facts))


def test_copied_blocks_are_found_where_they_are() -> None:
    assert find_copies(noise()) == []
    assert (24, 12) in find_copies(cloned())


def test_evidence_names_places_and_finding_nothing_is_worth_nothing() -> None:
    examiner = CopiedBlocks()
    assert isinstance(examiner, Examiner)
    found = examiner.examine(media(cloned()))
    assert found.llr > 0 and found.finding is Finding.MANIPULATED and found.where.regions
    assert examiner.examine(media(noise())).llr == 0.0


def test_flat_areas_repeat_in_honest_pictures() -> None:
    assert find_copies(np.full((160, 160, 3), 200, dtype=np.uint8)) == []


def test_a_broken_file_is_a_row(tmp_path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    (answer,) = CopiedBlocksDetector().predict_many([tmp_path / "a.png"])
    assert answer.error

"""Fitting and calibrating frames of clips: encoders, the head's fit, and a table that keeps chains from accusing."""

from pathlib import Path

import numpy as np
import pytest

from detect.training.video.calibrate import ClipFrames, ClipScores, authentic_chains, fit, fit_frames
from detect.training.video.codec import CODECS, Coding, recode
from detect.training.video.head import DrawnCrops, auc, cross_validate, solve
from detect.training.video.store import BORDER, cut_border
from tests.unit.media.clips import picture


@pytest.mark.parametrize("codec", sorted(CODECS))
def test_frames_survive_an_encoder_and_suffer_more_at_a_worse_rate(codec):
    frames = [picture(number) for number in range(3)]
    low, high = CODECS[codec][2]
    errors = []
    for crf in (low, high):
        decoded = recode(frames, Coding(codec, crf))
        assert len(decoded) == 3 and decoded[0].shape == frames[0].shape
        errors.append(np.abs(decoded[0].astype(int) - frames[0]).mean())
    assert 0 < errors[0] < errors[1] < 40


def test_odd_sizes_lose_a_row_and_a_column():
    assert recode([picture(0, width=121, height=97)], Coding("h264", 30))[0].shape == (96, 120, 3)


def test_borders_go_on_each_side_and_insets_at_the_lower_left():
    pixels = np.zeros((200, 100, 3), np.uint8)
    assert cut_border(pixels, "any").shape == (200 - 2 * round(BORDER * 200), 100 - 2 * round(BORDER * 100), 3)
    assert cut_border(pixels, "FLOAT").shape == (round(0.75 * 200) - 26, 87 - 25, 3)


def drawn(seed: int = 0, *, signal: float = 1.2) -> tuple[np.ndarray, np.ndarray, DrawnCrops]:
    """Features of which one channel tells the labels apart and the old logit knows nothing."""
    rng = np.random.default_rng(seed)
    count = 400
    labels = np.arange(count) % 2 == 1
    features = rng.normal(0, 1, (count, 12))
    features[:, 3] += signal * labels
    names = tuple(f"clip:{'fake' if label else 'real'}{number % 8}" for number, label in enumerate(labels))
    return features, rng.normal(0, 1, count), DrawnCrops(np.zeros((count, 1, 1, 3), np.uint8), labels, names)


def test_a_correction_finds_what_the_old_head_misses():
    features, before, crops = drawn()
    kept, corrected = (cross_validate(features, before, crops, strength, seed=1) for strength in (0.0, 1e-2))
    assert kept < 0.62 < 0.7 < corrected


def test_a_fit_is_the_linear_head_that_it_returns():
    features, before, crops = drawn()
    everything = np.ones(len(before), bool)
    scale, correction, offset = solve(features, before, crops, 1e-2, chosen=everything)
    logits = scale * before + features @ correction + offset
    assert auc(logits, crops) > 0.7
    assert abs(float(np.mean(logits[crops.labels])) + float(np.mean(logits[~crops.labels]))) < 0.5


def test_strength_zero_keeps_the_old_head_up_to_scale():
    features, before, crops = drawn()
    scale, correction, _ = solve(features, before, crops, 0.0, chosen=np.ones(len(before), bool))
    assert not correction.any() and np.isfinite(scale)


@pytest.fixture(scope="module")
def scored() -> list[ClipScores]:
    rng = np.random.default_rng(2)
    found = []
    for number in range(120):
        is_fake = number % 2 == 1
        origin = f"{'generator' if is_fake else 'source'} {number % 10}"
        level = rng.normal(1.0 if is_fake else -1.0, 0.6)
        clip = ClipFrames(origin, is_fake, str(number), "clean", Path("none"))
        found.append(ClipScores(clip, rng.normal(level, 0.5, 12)))
    return found


def test_a_calibration_has_rising_rows_and_a_positive_slope(scored):
    block = fit(scored, calibration_id="x", largest_source_rate=0.05, miss_rate=0.05, seed=1)
    clarity, ratios = ([row[key] for row in block["contrast"]] for key in ("clarity", "llr"))
    assert clarity == sorted(clarity) and ratios == sorted(ratios) and max(ratios) <= block["cap"]
    assert block["slope"] > 0 and block["frame"]["slope"] > 0
    budgets = [row["synthetic_llr"] for row in block["thresholds"]]
    assert budgets == sorted(budgets, reverse=True)


def test_chains_are_made_of_authentic_frames_and_repeat(scored):
    reals = [item for item in scored if not item.clip.is_fake]
    values = set(np.concatenate([item.logits for item in reals]).tolist())
    first = next(iter(authentic_chains(reals, seed=4)))
    assert set(first[1].tolist()) <= values
    assert first[1].tolist() == next(iter(authentic_chains(reals, seed=4)))[1].tolist()
    assert fit_frames(scored, cap=3.0)["slope"] > 0

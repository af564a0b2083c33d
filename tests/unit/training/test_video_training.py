"""Fitting and calibrating frames of clips: encoders, the head's fit, and a table that keeps chains from accusing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from detect.bench.data.item import Item, Label
from detect.networks.image.statistics_net import StatisticsNet
from detect.training.video.calibrate import ClipFrames, ClipScores, authentic_chains, fit, fit_frames, made_inserts
from detect.training.video.codec import CODECS, Coding, recode
from detect.training.video.head import SPREAD, DrawnCrops, cross_validate, fit_head, solve
from detect.training.video.store import BORDER, cut_border, cut_frames
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


def test_both_panels_of_a_composite_are_cut_each_without_the_other(tmp_path):
    picture_of_two = np.zeros((200, 400, 3), np.uint8)
    picture_of_two[:, 200:] = 255
    Image.fromarray(picture_of_two).save(tmp_path / "two.png")
    panels = {Label.REAL: [0, 0, 0.5, 1], Label.FAKE: [0.5, 0, 1, 1]}
    items = [
        Item("a", tmp_path / "two.png", "video", label, "page", sha256="5a", facts={"crop": crop})
        for label, crop in panels.items()
    ]
    rows = cut_frames(items, tmp_path / "frames", frames=1)
    found = {row["label"]: np.asarray(Image.open(row["file"])) for row in rows}
    assert found["real"].max() == 0 and found["fake"].min() == 255
    assert found["fake"].shape == cut_border(np.zeros((200, 200, 3), np.uint8), "page").shape


def drawn(seed: int = 0, *, signal: float = 1.2) -> tuple[np.ndarray, DrawnCrops]:
    """Features of which one channel tells the labels apart and another the names."""
    rng = np.random.default_rng(seed)
    count = 400
    labels = np.arange(count) % 2 == 1
    features = rng.normal(0, 1, (count, 12))
    features[:, 3] += signal * labels
    features[:, 7] += 3.0 * (np.arange(count) % 8)
    names = tuple(f"clip:{'fake' if label else 'real'}{number % 8}" for number, label in enumerate(labels))
    return features, DrawnCrops(np.zeros((count, 1, 1, 3), np.uint8), labels, names)


def test_a_fit_tells_unseen_makers_apart_by_what_all_makers_share():
    features, crops = drawn(signal=2.5)
    assert cross_validate(features, crops, 1.0, seed=1) > 0.75


def test_a_fit_lies_between_the_labels_and_leaves_what_only_names_differ_in():
    features, crops = drawn(signal=2.0)
    weights, offset = solve(features, crops, 1e-3, chosen=np.ones(len(features), bool))
    logits = features @ weights + offset
    middles = [float(logits[crops.labels == label].mean()) for label in (True, False)]
    assert abs(sum(middles)) < 0.2 and middles[0] - middles[1] == pytest.approx(SPREAD, abs=0.2)
    assert abs(weights[7]) < 0.2 * weights[3]


def test_the_head_that_is_written_gives_the_scores_of_the_fit(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (24, 64, 64, 3), dtype=np.uint8)
    pixels[1::2] = pixels[1::2] // 8 + 100
    names = tuple(f"clip:{'fake' if number % 2 else 'real'}{number % 6}" for number in range(24))
    crops = DrawnCrops(pixels, np.arange(24) % 2 == 1, names)
    network = StatisticsNet().eval()
    chosen = fit_head(network, crops, ridges=(0.3, 1.0), seed=1, kept=tmp_path / "features.npy")
    assert chosen["chosen"] in (0.3, 1.0) and chosen["auc_left_out"]["1"] > 0.9
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        logits, cells = network(batch), network.forward_map(batch)
    assert float(logits[1::2].min()) > float(logits[::2].max())
    assert cells.shape == (24, 1, 1) and cells[:, 0, 0] == pytest.approx(logits)


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


def test_made_inserts_are_placed_and_named_more_often_the_more_the_labels_differ(scored):
    block = fit(scored, calibration_id="x", largest_source_rate=0.05, miss_rate=0.05, seed=1)
    apart = [ClipScores(item.clip, item.logits + 4.0 * item.clip.is_fake) for item in scored]
    near, far = (made_inserts(clips, block, cases=60, seed=1) for clips in (scored, apart))
    assert near["named_in_one_scene"] <= near["placed_in_one_scene"] <= 1
    assert far["named_in_one_scene"] > 0.8 and far["named_in_scenes"] >= near["named_in_scenes"]


def test_chains_are_made_of_authentic_frames_and_repeat(scored):
    reals = [item for item in scored if not item.clip.is_fake]
    values = set(np.concatenate([item.logits for item in reals]).tolist())
    first = next(iter(authentic_chains(reals, seed=4)))
    assert set(first[1].tolist()) <= values
    assert first[1].tolist() == next(iter(authentic_chains(reals, seed=4)))[1].tolist()
    assert fit_frames(scored, cap=3.0)["slope"] > 0

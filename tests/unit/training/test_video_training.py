"""Fitting and calibrating frames of clips: encoders, the head's fit, and a table that keeps chains from accusing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from detect.bench.data.item import Item, Label
from detect.networks.face.detector import Face
from detect.networks.image.statistics_net import StatisticsNet
from detect.training.video.calibrate import ClipFrames, ClipScores, authentic_chains, fit, fit_frames, made_inserts
from detect.training.video.codec import CODECS, Coding, recode
from detect.training.video.head import SPREAD, HeadPlan, LinearHead, area, cross_fit, deal, fit_head, maker_weights
from detect.training.video.kinds import KINDS, kinds_of
from detect.training.video.rows import ClipRows, RowMeter, Rows, join_rows
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


PLAN = HeadPlan(ridge=0.1, within=3.0)


def rows_of(makers: int = 12, *, signal: float = 1.2, seed: int = 0) -> Rows:
    """Rows of which one channel tells the labels apart and others the makers."""
    rng = np.random.default_rng(seed)
    number = np.arange(640) % makers
    labels = number % 2 == 1
    features = rng.normal(0, 1, (len(number), 12)).astype(np.float32)
    features[:, 3] += signal * labels
    features[:, 7] += 3.0 * (number // 2)
    return Rows(features, labels, np.array([f"clip:{'fake' if n % 2 else 'real'}{n}" for n in number]))


def clips_of(rows: Rows) -> list[ClipRows]:
    """Two delivered clips a maker, of four frames with two patches each."""
    found = []
    for name in sorted(set(rows.names.tolist())):
        own = rows.features[rows.names == name]
        for number in range(2):
            clip = ClipFrames(name.removeprefix("clip:"), "fake" in name, f"{name}{number}", "clean", Path("none"))
            found.append(ClipRows(clip, own[number * 8 : number * 8 + 8].reshape(4, 2, -1)))
    return found


def folds_of(rows: Rows, folds: int = 3) -> dict[str, int]:
    return deal({name.removeprefix("clip:"): "fake" in name for name in rows.names.tolist()}, folds, seed=1)


def test_a_fit_tells_clips_of_unseen_makers_apart_by_what_all_makers_share():
    def found(signal: float) -> float:
        rows = rows_of(40, signal=signal)
        scored = cross_fit(rows, clips_of(rows), PLAN, folds_of(rows))
        assert [item.clip for item in scored] == [clip.clip for clip in clips_of(rows)]
        return area(scored)

    assert found(4.0) > 0.9 and found(0.0) < 0.75


def test_a_left_out_maker_never_trains_the_head_that_scores_it_and_one_without_a_fold_always_does(monkeypatch):
    seen: list[set[str]] = []

    def note(rows: Rows, plan: HeadPlan) -> LinearHead:
        seen.append(set(rows.names.tolist()))
        return fit_head(rows, plan)

    monkeypatch.setattr("detect.training.video.head.fit_head", note)
    rows = rows_of()
    folds = folds_of(rows)
    folds.pop("real2")
    clips = [clip for clip in clips_of(rows) if clip.clip.origin in folds]
    cross_fit(rows, clips, PLAN, folds)
    left = [set(rows.names.tolist()) - names for names in seen]
    assert sorted(name for names in left for name in names) == sorted(f"clip:{name}" for name in folds)


def test_a_fit_lies_between_the_labels_and_leaves_what_only_makers_differ_in():
    rows = rows_of(signal=2.0)
    head = fit_head(rows, HeadPlan(ridge=1e-3, within=1.0))
    logits = rows.features @ head.weights + head.offset
    middles = [float(logits[rows.labels == label].mean()) for label in (True, False)]
    assert abs(sum(middles)) < 0.2 and middles[0] - middles[1] == pytest.approx(SPREAD, abs=0.2)
    assert abs(head.weights[7]) < 0.2 * head.weights[3]


def test_what_differs_between_makers_counts_less_the_more_the_scatter_inside_them_weighs():
    """Channel 5 tells the labels apart too, but differs as much between makers of one label as between the labels."""
    rows = rows_of(8, signal=1.0)
    maker = np.arange(len(rows)) % 8
    rows.features[:, 5] = np.random.default_rng(1).normal(0, 0.2, len(rows)) + rows.labels + 1.5 * (maker // 4)
    plain, inner = (fit_head(rows, HeadPlan(ridge=1e-3, within=within)).weights for within in (1.0, 100.0))
    assert abs(inner[5] / inner[3]) > 2 * abs(plain[5] / plain[3])


def test_makers_of_both_labels_are_dealt_evenly():
    folds = deal({f"maker {n}": n % 3 == 0 for n in range(30)}, 5, seed=2)
    assert [list(folds.values()).count(fold) for fold in range(5)] == [6] * 5
    assert [sum(folds[f"maker {n}"] == fold for n in range(0, 30, 3)) for fold in range(5)] == [2] * 5


def test_a_maker_of_many_rows_weighs_as_their_root():
    rows = rows_of(4)
    more = Rows(
        np.concatenate([rows.features, np.repeat(rows.features[:1], 480, axis=0)]),
        np.concatenate([rows.labels, np.repeat(rows.labels[:1], 480)]),
        np.concatenate([rows.names, np.repeat(rows.names[:1], 480)]),
    )
    weights = maker_weights(more)
    first, second = (weights[more.names == name].sum() for name in ("clip:real0", "clip:real2"))
    assert first / second == pytest.approx(2.0) and weights.sum() == pytest.approx(2.0)


def test_measured_rows_and_the_network_that_ships_agree(tmp_path):
    torch.manual_seed(0)
    network = StatisticsNet().eval()
    frames = np.random.default_rng(0).integers(0, 255, (2, 224, 448, 3), dtype=np.uint8)
    np.save(tmp_path / "clip.npy", frames)
    clip = ClipFrames("maker", True, "group", "clean", tmp_path / "clip.npy")
    meter = RowMeter(network, tmp_path / "rows", patch_side=224, max_patches=4)
    (measured,) = meter.measure_clips([clip])
    assert measured.features.shape[:2] == (2, 2)
    head = LinearHead(np.random.default_rng(1).normal(0, 0.1, measured.features.shape[2]), 0.5)
    head.write(network.head)
    halves = [torch.from_numpy(half).permute(0, 3, 1, 2).float() / 127.5 - 1 for half in np.split(frames, 2, axis=2)]
    with torch.inference_mode():
        logits, cells = network(halves[0]), network.forward_map(halves[0])
        mean = (logits + network(halves[1])) / 2
    assert cells.shape == (2, 1, 1) and cells[:, 0, 0] == pytest.approx(logits)
    assert head.score_clip(measured).logits == pytest.approx(mean.numpy(), abs=1e-3)


def test_frames_of_delivered_clips_join_the_crops_under_their_maker():
    crops = rows_of(4)
    joined = join_rows(crops, clips_of(crops))
    assert len(joined) == len(crops) + 4 * 2 * 2  # makers, clips of each, every second of four frames
    assert set(joined.names.tolist()) == set(crops.names.tolist())
    assert all(label == ("fake" in name) for label, name in zip(joined.labels, joined.names, strict=True))


class Finder:
    """Finds a face as high as a frame's mean grey level says, in hundredths of the frame."""

    name = "finder"

    def find(self, pixels):
        height = len(pixels) * float(pixels.mean()) / 100
        return [Face((0.0, 0.0, 10.0, height), 0.9, np.zeros((5, 2)))]


def test_a_maker_is_of_the_kind_of_most_of_its_clips_and_clips_are_looked_at_once(tmp_path):
    clips = []
    for origin, levels in {"portraits": (60, 50, 2), "walks": (15, 20), "roads": (1, 5)}.items():
        for number, level in enumerate(levels):
            file = tmp_path / f"{origin}{number}-clean.npy"
            np.save(file, np.full((4, 20, 20, 3), level, np.uint8))
            clips.append(ClipFrames(origin, False, origin, "clean", file))
    clips.append(ClipFrames("roads", False, "roads", "laundered", tmp_path / "missing.npy"))
    kinds = kinds_of(clips, Finder(), tmp_path / "faces.json")
    assert {name: KINDS[kind] for name, kind in kinds.items()} == {
        "portraits": "faces",
        "walks": "people",
        "roads": "other",
    }
    for clip in clips:
        clip.file.unlink(missing_ok=True)
    assert kinds_of(clips, Finder(), tmp_path / "faces.json") == kinds


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

"""Frame evidence: refusals with reasons, bars cut away, inserts named, and numbers that fit together."""

import numpy as np
import pytest

from detect.evidence.frames import FrameExaminer, FrameTally, trim_bars
from detect.evidence.pooling import ContrastTable
from detect.fusion import Calibration, ThresholdRow, sigmoid
from detect.types import Finding, ModelRef, Status


class Brightness:
    """Stands for a patch scorer: the logit of a patch is its mean brightness around 128, in units of 16."""

    def score(self, patches):
        return [np.full((2, 2), (float(patch.mean()) - 128) / 16) for patch in patches]


@pytest.fixture
def examiner() -> FrameExaminer:
    return FrameExaminer(
        Brightness(),
        Calibration("test", 1.0, 0.0, 4.0, (ThresholdRow(0.02, 2.0, -2.0),)),
        frame_calibration=(1.0, 0.0, 3.0),
        contrasts=ContrastTable((3.0, 6.0), (1.0, 3.5)),
        model=ModelRef("video", "0", "0" * 64),
        patch_side=64,
        max_patches=4,
    )


def frame(level: float, *, height: int = 96, width: int = 128, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(0, 12, (height, width, 3)) + level).clip(0, 255).astype(np.uint8)


def judge(examiner: FrameExaminer, levels: list[float], seconds: float):
    tally = FrameTally()
    count = len(levels)
    examiner.add(tally, [((n + 0.5) * seconds / count, frame(level, seed=n)) for n, level in enumerate(levels)])
    return examiner.finish(tally)


def test_a_clip_that_leans_as_a_whole(examiner):
    evidence = judge(examiner, [160.0] * 20, 20)
    assert evidence.status is Status.SCORED and evidence.finding is Finding.SYNTHETIC
    assert evidence.llr == pytest.approx(2.0, abs=0.2)
    assert evidence.interval.low <= evidence.llr <= evidence.interval.high
    assert evidence.reasons[0].code == "frames_generated_traces"
    assert [(span.start_s, span.end_s) for span in evidence.where.spans] == [(0.0, 20.0)]
    assert evidence.details["seconds"][3]["p_synthetic"] == pytest.approx(sigmoid(2.0), abs=0.05)


def test_a_frame_counts_by_the_mean_of_its_patches(examiner):
    wide = np.concatenate([frame(96.0, height=64, width=64), frame(192.0, height=64, width=64)], axis=1)
    assert examiner.score([wide, frame(128.0)]) == pytest.approx([1.0, 0.0], abs=0.2)


def test_an_insert_is_named_first_and_called_manipulated(examiner):
    levels = [100.0] * 60
    levels[30:34] = [190.0] * 4
    evidence = judge(examiner, levels, 60)
    assert evidence.finding is Finding.MANIPULATED
    assert evidence.reasons[0].code == "frames_inserted"
    first = evidence.where.spans[0]
    assert first.label == "inserted" and (first.start_s, first.end_s) == pytest.approx((30, 34), abs=1.01)
    assert evidence.llr == pytest.approx(3.5)


def test_a_bright_stretch_that_stays_authentic_is_no_insert(examiner):
    levels = [60.0] * 60
    levels[30:34] = [110.0] * 4
    evidence = judge(examiner, levels, 60)
    assert evidence.finding is Finding.SYNTHETIC and evidence.llr < 0


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        pytest.param([frame(128)] * 2, "frames_too_few", id="two"),
        pytest.param([np.full((96, 128, 3), 9, np.uint8)] * 9, "frames_without_texture", id="black"),
        pytest.param([frame(128, height=40, width=40)] * 9, "frames_too_small", id="tiny"),
    ],
)
def test_clips_that_cannot_be_judged_are_refused_with_a_reason(examiner, frames, code):
    tally = FrameTally()
    examiner.add(tally, [(float(n), pixels) for n, pixels in enumerate(frames)])
    evidence = examiner.finish(tally)
    assert evidence.status is Status.NOT_APPLICABLE and evidence.llr == 0.0
    assert [item.code for item in evidence.reasons] == [code]


def test_frames_in_any_order_and_batches_give_the_same_answer(examiner):
    levels = np.linspace(90, 170, 24)
    pairs = [(float(n), frame(level, seed=n)) for n, level in enumerate(levels)]
    first, second = FrameTally(), FrameTally()
    examiner.add(first, pairs)
    for pair in reversed(pairs):
        examiner.add(second, [pair])
    assert examiner.finish(first) == examiner.finish(second)


def test_letterbox_bars_are_cut_and_dark_scenes_are_kept():
    pixels = frame(128, height=200, width=300)
    pixels[:30] = pixels[-30:] = 4
    assert trim_bars(pixels).shape == (140, 300, 3)
    night = frame(15, height=200, width=300)
    assert trim_bars(night).shape == night.shape
    assert min(trim_bars(np.zeros((100, 100, 3), np.uint8)).shape[:2]) >= 20

"""The plan of a clip: bounded cost, even moments, scenes, and times that had to be repaired."""

from __future__ import annotations

import numpy as np
import pytest

from detect.media.sampling import (
    LONGEST_RUN,
    MOST_SAMPLES,
    MOST_SCENES,
    PIXEL_BUDGET,
    plan_samples,
    repair_times,
    scene_starts,
    spread_targets,
)

HD = 1280 * 720


def packets(seconds: float, *, fps: float = 30.0, gop: int = 60) -> tuple[np.ndarray, np.ndarray]:
    count = int(seconds * fps)
    return np.arange(count) / fps, np.arange(count) % gop == 0


def test_a_short_clip_is_decoded_whole() -> None:
    plan = plan_samples(*packets(60), frame_pixels=HD)
    assert plan.is_full and len(plan.targets_s) == 60


@pytest.mark.parametrize("minutes", [5, 60, 600])
def test_cost_does_not_grow_with_length(minutes: int) -> None:
    plan = plan_samples(*packets(minutes * 60), frame_pixels=HD)
    assert not plan.is_full
    assert len(plan.targets_s) <= MOST_SAMPLES + MOST_SCENES
    assert sum(length for _, length in plan.runs) * HD <= PIXEL_BUDGET


def test_runs_start_at_key_frames_and_are_short() -> None:
    times, is_key = packets(600)
    plan = plan_samples(times, is_key, frame_pixels=HD)
    assert all(is_key[first] and 1 <= length <= LONGEST_RUN for first, length in plan.runs)


def test_huge_frames_are_looked_at_less_often() -> None:
    plan = plan_samples(*packets(600), frame_pixels=7680 * 4320)
    assert len(plan.runs) * 7680 * 4320 <= PIXEL_BUDGET


def test_a_dense_plan_is_full_whatever_it_costs() -> None:
    plan = plan_samples(*packets(600), frame_pixels=HD, dense=True)
    assert plan.is_full and len(plan.targets_s) == 2400


def test_moments_cover_the_clip_evenly() -> None:
    targets = spread_targets(5.0, 100.0, dense=False)
    assert targets[0] > 5.0 and targets[-1] < 105.0
    assert np.ptp(np.diff(targets)) < 1e-9


def test_an_early_key_frame_starts_a_scene() -> None:
    times, is_key = packets(600)
    is_key = is_key.copy()
    is_key[100] = True
    assert scene_starts(times, is_key).tolist() == pytest.approx([times[100], times[120]])


def test_a_stream_of_key_frames_has_no_scenes() -> None:
    times, _ = packets(60)
    assert len(scene_starts(times, np.ones(len(times), bool))) == 0


def test_a_scene_between_two_moments_gets_its_own() -> None:
    times, is_key = packets(3600)
    is_key = is_key.copy()
    is_key[3030] = True
    plan = plan_samples(times, is_key, frame_pixels=HD)
    assert any(101.0 <= target <= 102.0 for target in plan.targets_s)


@pytest.mark.parametrize(
    "stamps",
    [[None] * 50, [0.0] * 50, [float(n) * 1e6 for n in range(50)], [None] * 25 + [1.0] * 25],
    ids=["missing", "all alike", "absurdly slow", "half missing"],
)
def test_unusable_times_are_made_from_the_rate(stamps: list[float | None]) -> None:
    times, is_made = repair_times(stamps, fps=25.0)
    assert is_made and times[-1] == pytest.approx(49 / 25)


def test_stamps_that_start_again_go_on() -> None:
    stamps: list[float | None] = [n / 10 for n in range(30)] * 2
    times, is_made = repair_times(stamps, fps=10.0)
    assert not is_made and times[-1] == pytest.approx(5.9)


def test_a_few_missing_times_are_filled() -> None:
    stamps: list[float | None] = [n / 10 for n in range(40)]
    stamps[7] = None
    times, is_made = repair_times(stamps, fps=25.0)
    assert not is_made and times[7] == pytest.approx(0.7)

"""Pooling over time: two bad seconds are found, and length alone never accuses."""

import numpy as np
import pytest

from detect.evidence.pooling import (
    ContrastTable,
    by_second,
    find_contrast,
    join_moments,
    pool_whole,
    sample_edges,
    shared_part,
    standard_error,
)


def moments(count: int, seconds: float) -> np.ndarray:
    return (np.arange(count) + 0.5) * seconds / count


def noisy(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.5, count)


def test_an_insert_is_found_with_its_bounds() -> None:
    times, logits = moments(60, 60), noisy(60)
    logits[20:24] += 4
    found = find_contrast(times, logits)
    assert found is not None
    assert (found.start_s, found.end_s) == pytest.approx((20, 24), abs=1.01)
    assert found.inside > 2 > found.outside


def test_clarity_of_plain_noise_hardly_grows_with_length() -> None:
    short = [find_contrast(moments(30, 30), noisy(30, seed)).clarity for seed in range(40)]
    long = [find_contrast(moments(96, 3600), noisy(96, seed)).clarity for seed in range(40)]
    insert = noisy(60)
    insert[20:24] += 4
    clear = find_contrast(moments(60, 60), insert).clarity
    assert np.quantile(long, 0.95) < clear
    assert np.median(long) - np.median(short) < 0.3 * clear


def test_the_same_step_is_clearer_in_one_scene_than_among_scenes_that_differ() -> None:
    one_scene = noisy(60) / 4
    many_scenes = one_scene + np.repeat([0.0, -1.5, -3.0, 0.0, -2.0, -0.5], 10)
    clarity = []
    for logits in (one_scene, many_scenes):
        logits = logits.copy()
        logits[32:35] = 1.5
        found = find_contrast(moments(60, 60), logits)
        assert (found.start_s, found.end_s) == pytest.approx((32, 35), abs=0.01)
        clarity.append(found.clarity)
    assert clarity[0] > 2 * clarity[1]


def test_one_odd_frame_is_no_stretch() -> None:
    logits = np.zeros(60)
    logits[30] = 9
    found = find_contrast(moments(60, 60), logits)
    two = logits.copy()
    two[31] = 9
    assert found.clarity < find_contrast(moments(60, 60), two).clarity


@pytest.mark.parametrize(("count", "seconds"), [(4, 60), (40, 3), (1, 1)])
def test_too_little_gives_no_stretch(count: int, seconds: float) -> None:
    assert find_contrast(moments(count, seconds), np.zeros(count)) is None


def test_a_long_dense_pass_is_searched_in_bounded_time() -> None:
    assert find_contrast(moments(14_400, 3600), noisy(14_400)) is not None


def test_the_whole_is_a_mean_that_outliers_do_not_move() -> None:
    logits = np.ones(20)
    logits[0], logits[1] = 100, -100
    assert pool_whole(logits) == pytest.approx(1.0)


def test_edges_surround_their_samples() -> None:
    times = np.array([0.5, 1.5, 4.0])
    edges = sample_edges(times)
    assert edges.tolist() == pytest.approx([0.0, 1.0, 2.75, 5.25])
    assert len(sample_edges(np.array([2.0]))) == 2


def test_spans_join_neighbours_of_one_leaning_and_cover_the_clip() -> None:
    ratios = np.array([-2.0, -2.0, 0.0, 3.0, 3.0])
    spans = join_moments(moments(5, 10), ratios)
    assert [(span.start_s, span.end_s, span.label) for span in spans] == [
        (0.0, 4.0, "authentic"),
        (4.0, 6.0, "undecided"),
        (6.0, 10.0, "synthetic"),
    ]


def test_seconds_hold_their_samples_and_long_clips_are_joined() -> None:
    rows = by_second(moments(8, 4), np.zeros(8))
    assert [row["samples"] for row in rows] == [2.0] * 4
    assert all(row["p_synthetic"] == 0.5 for row in rows)
    assert len(by_second(moments(7200, 7200), np.zeros(7200))) <= 600


def test_samples_close_together_do_not_pretend_certainty() -> None:
    logits = noisy(100)
    assert standard_error(moments(100, 2), logits) > 3 * standard_error(moments(100, 100), logits)
    assert standard_error(np.array([1.0]), np.array([0.0])) == 1.0


def test_a_table_counts_nothing_below_its_first_row() -> None:
    table = ContrastTable.from_config([{"clarity": 4, "llr": 3.0}, {"clarity": 2, "llr": 1.0}])
    assert table.to_llr(1.9) == float("-inf")
    assert table.to_llr(3.0) == pytest.approx(2.0)
    assert table.to_llr(99) == 3.0
    assert ContrastTable().to_llr(99) == float("-inf")


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((0, 4), (2, 6), 2 / 6),
        ((0, 4), (1, 3), 0.5),
        ((0, 2), (3, 5), 0.0),
        ((1, 3), (1, 3), 1.0),
        ((1, 1), (1, 1), 0.0),
    ],
)
def test_stretches_share_their_intersection_over_union(
    first: tuple[float, float], second: tuple[float, float], expected: float
) -> None:
    assert shared_part(first, second) == pytest.approx(expected)
    assert shared_part(second, first) == pytest.approx(expected)

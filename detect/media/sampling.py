"""Which moments of a clip are looked at: spread over its length, at least one a scene, within a stated cost.

Pure functions over packet times, so that every rule can be tested without a decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]

PER_SECOND = 1.0
"""Samples a second while a clip is short: an insert of three seconds then holds three."""

LEAST_SAMPLES, MOST_SAMPLES = 16, 96
"""Bounds of the even samples: below, a short clip is looked at more often; above, a long one no longer."""

MOST_SCENES = 24
"""Further samples for scenes that no even sample meets."""

PIXEL_BUDGET = 2_200_000_000
"""Pixels that may be decoded for one clip: 70 s of 720p at 30 frames a second, about 6 s of one core for H.264.
Longer clips are decoded in short runs from key frames, so that cost does not grow with length."""

LONGEST_RUN = 12
"""Frames decoded from a key frame on to reach a sample; key frames alone would hide what prediction does to pixels."""

RESTART_S = 0.7
"""Seconds that a stamp may lie behind the latest one: more than reordered frames do, less than any recording lasts."""

DENSE_PER_SECOND = 4.0
"""Samples a second of a dense pass."""


@dataclass(frozen=True)
class Plan:
    """What will be decoded.

    Attributes:
        targets_s: Moments to sample, rising, in seconds.
        is_full: Every frame is decoded in order; else only runs from key frames.
        runs: (packet index of the key frame, packets to feed) by rising index; empty when `is_full`.
    """

    targets_s: tuple[float, ...]
    is_full: bool
    runs: tuple[tuple[int, int], ...] = ()


def spread_targets(start_s: float, duration_s: float, *, dense: bool) -> Float64Array:
    """Return the even moments of a clip, each in the middle of its share of the length."""
    if dense:
        count = max(LEAST_SAMPLES, int(np.ceil(duration_s * DENSE_PER_SECOND)))
    else:
        count = int(np.clip(np.ceil(duration_s * PER_SECOND), LEAST_SAMPLES, MOST_SAMPLES))
    return start_s + (np.arange(count) + 0.5) * duration_s / count


def scene_starts(times_s: Float64Array, is_key: npt.NDArray[np.bool_]) -> Float64Array:
    """Return the times of key frames that come before the usual distance is up: encoders put them at cuts."""
    keys = times_s[is_key]
    if len(keys) < 4:
        return keys[:0]
    gaps = np.diff(keys)
    usual = float(np.max(gaps))
    early = keys[1:][gaps < 0.8 * usual]
    # A stream of key frames only (MJPEG, ProRes, GIF) says nothing about scenes.
    return early if len(keys) < 0.5 * len(times_s) else keys[:0]


def plan_samples(
    times_s: Float64Array, is_key: npt.NDArray[np.bool_], *, frame_pixels: int, dense: bool = False
) -> Plan:
    """Return what to decode of a clip.

    Args:
        times_s: Presentation time of every packet, in packet order.
        is_key: Which packets are key frames.
        frame_pixels: Width times height.
        dense: Look at the whole clip, whatever that costs.
    """
    order = np.sort(times_s)
    start, duration = float(order[0]), float(order[-1] - order[0])
    targets = spread_targets(start, duration, dense=dense)
    if dense or len(times_s) * frame_pixels <= PIXEL_BUDGET or not is_key.any():
        return Plan(tuple(targets.tolist()), is_full=True)
    scenes = scene_starts(times_s, is_key)
    targets = _with_scenes(targets, scenes)
    affordable = max(8, PIXEL_BUDGET // frame_pixels)
    if len(targets) > affordable:
        targets = targets[np.linspace(0, len(targets) - 1, affordable).round().astype(int)]
    length = int(np.clip(PIXEL_BUDGET // (frame_pixels * len(targets)), 1, LONGEST_RUN))
    return _plan_runs(times_s, is_key, targets, length)


def _with_scenes(targets: Float64Array, scenes: Float64Array) -> Float64Array:
    """Add a moment for scenes that hold no even one, the longest first."""
    if not len(scenes):
        return targets
    ends = np.append(scenes[1:], max(targets[-1], scenes[-1]))
    counts = np.searchsorted(targets, ends) - np.searchsorted(targets, scenes)
    missed = np.flatnonzero(counts == 0)
    longest = missed[np.argsort(-(ends - scenes)[missed])][:MOST_SCENES]
    added = scenes[longest] + np.minimum(0.5, (ends - scenes)[longest] / 2)
    return np.sort(np.concatenate([targets, added]))


def _plan_runs(times_s: Float64Array, is_key: npt.NDArray[np.bool_], targets: Float64Array, length: int) -> Plan:
    """Return runs from the key frame before each target; a target further than a run moves to the run's end."""
    keys = np.flatnonzero(is_key)
    key_times = times_s[keys]
    step = max(1e-3, float(np.median(np.diff(np.sort(times_s)))))
    runs: dict[int, int] = {}
    reached: list[float] = []
    for target in targets:
        before = int(np.searchsorted(key_times, target, side="right")) - 1
        first = int(keys[max(0, before)])
        wanted = int(np.clip(round((target - times_s[first]) / step) + 1, 1, length))
        runs[first] = max(runs.get(first, 0), wanted)
        reached.append(float(times_s[first] + (wanted - 1) * step))
    return Plan(tuple(sorted(set(reached))), is_full=False, runs=tuple(sorted(runs.items())))


class Unroller:
    """Turns time stamps that start again in mid-file (joined recordings) into ones that go on."""

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._offset = 0.0
        self._latest = float("-inf")

    def __call__(self, stamp_s: float) -> float:
        """Return the continued time of the next stamp, in seconds."""
        moment = stamp_s + self._offset
        if moment < self._latest - RESTART_S:
            self._offset += self._latest + self._step_s - moment
            moment = self._latest + self._step_s
        self._latest = max(self._latest, moment)
        return moment


def repair_times(stamps: Sequence[float | None], *, fps: float) -> tuple[Float64Array, bool]:
    """Return usable times for packets, and whether they had to be made from the frame rate.

    Times are used as stated when nearly all packets have one and they span a plausible length; a few missing ones are
    filled from their neighbours. Else packet n is put at n / fps.
    """
    count = len(stamps)
    unroll = Unroller(1 / fps)
    known = np.array([np.nan if stamp is None else unroll(stamp) for stamp in stamps], np.float64)
    is_known = np.isfinite(known)
    if is_known.sum() >= max(2, 0.9 * count):
        span = float(np.nanmax(known) - np.nanmin(known))
        distinct = len(np.unique(known[is_known]))
        if distinct >= 0.5 * count and 0 < span <= 50.0 * count:  # slower than one frame in 50 s is no clip
            index = np.arange(count)
            return np.interp(index, index[is_known], known[is_known]) if not is_known.all() else known, False
    return np.arange(count) / fps, True

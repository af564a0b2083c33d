"""Where a speech net listens: overlapping windows over what the gate called speech."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from detect.types import DecodedAudio, Float32Array

HOPS_S = ((60.0, 1.0), (1800.0, 2.0), (float("inf"), 4.0))
"""(up to so many seconds of speech, seconds between window starts): short files are looked at more closely."""

DENSE_HOPS_S = ((60.0, 0.5), (600.0, 1.0), (1800.0, 2.0))
"""The same for the short windows that splices are looked for with; recordings with more speech are not searched."""

LEAST_SPEECH_SHARE = 0.4
"""A window with less speech than this share says more about the room than about the voice."""


@dataclass(frozen=True)
class Window:
    """One stretch that the net hears, in seconds of the recording; `end_s - start_s` is at most the window length."""

    start_s: float
    end_s: float


def plan_dense(speech: Sequence[tuple[float, float]], duration_s: float, *, window_s: float) -> tuple[Window, ...]:
    """Return the windows that splices are looked for with; none where speech is too short, or too long, to search."""
    total = sum(end - start for start, end in speech)
    if total < 3 * window_s or total > DENSE_HOPS_S[-1][0]:
        return ()
    return plan_windows(speech, duration_s, window_s=window_s, hops=DENSE_HOPS_S)


def plan_windows(
    speech: Sequence[tuple[float, float]],
    duration_s: float,
    *,
    window_s: float,
    hops: Sequence[tuple[float, float]] = HOPS_S,
) -> tuple[Window, ...]:
    """Return windows in order; at least one when there is any speech.

    A recording shorter than a window gives one window from the first to the last word, because edges of silence tell
    how a file was made and not who speaks.

    Args:
        speech: Stretches of speech in seconds, in order.
        duration_s: Length of the recording.
        window_s: Length of a window.
        hops: (up to so many seconds of speech, seconds between window starts).
    """
    if not speech:
        return ()
    first, last = speech[0][0], min(speech[-1][1], duration_s)
    if last - first <= window_s:
        return (Window(first, last),)
    total = sum(end - start for start, end in speech)
    hop = next(hop for limit, hop in hops if total <= limit)
    starts = [*np.arange(first, last - window_s, hop).tolist(), last - window_s]
    windows = [Window(start, start + window_s) for start in starts]
    kept = [window for window in windows if _speech_share(window, speech) >= LEAST_SPEECH_SHARE]
    return tuple(kept) or (max(windows, key=lambda window: _speech_share(window, speech)),)


def _speech_share(window: Window, speech: Sequence[tuple[float, float]]) -> float:
    """Return the share of a window that is speech."""
    inside = sum(max(0.0, min(end, window.end_s) - max(start, window.start_s)) for start, end in speech)
    return inside / max(window.end_s - window.start_s, 1e-9)


def read_windows(
    audio: DecodedAudio, windows: Sequence[Window], *, window_s: float, channel: int = 0, batch: int = 64
) -> Iterator[Float32Array]:
    """Yield batches (windows, samples) of float32; a short window is repeated to full length, as in training."""
    length = int(window_s * audio.sample_rate_hz)
    for start in range(0, len(windows), batch):
        rows = []
        for window in windows[start : start + batch]:
            wave = audio.read(window.start_s, window.end_s, channel=channel)
            wave = wave if len(wave) else np.zeros(1, np.float32)
            rows.append(np.tile(wave, -(-length // len(wave)))[:length])
        yield np.stack(rows)

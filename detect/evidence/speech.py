"""The evidence `audio.speech`: was this voice made by a machine, and which seconds of it?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detect.evidence.activity import Activity, hear
from detect.evidence.splice import Contrast, find_contrast, timeline
from detect.evidence.windows import Window, plan_dense, plan_windows, read_windows
from detect.fusion import Calibration, reason, sigmoid
from detect.networks.audio.speech_scorer import SpeechScorer
from detect.networks.audio.stretches import STRETCH_S, StretchHeads, StretchScorer
from detect.networks.batches import Schedule, run_here
from detect.networks.zoo import find_model
from detect.types import DecodedAudio, Evidence, Finding, Interval, ModelRef, Reason, Span, Status, Where

SOURCE = "audio.speech"

LEAST_SPEECH_S = 1.5
"""Less speech than this is not judged; training heard no shorter voices."""

SHOWN_WINDOWS = 1_000
"""Windows listed in the details; longer recordings are thinned evenly."""

LEANING_LLR = 0.5
"""Seconds within this of 0 are undecided."""

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ChannelResult:
    """What the net said of one channel: windows with their logits, their mean, and the strongest contrast."""

    channel: int
    activity: Activity
    windows: tuple[Window, ...]
    logits: Float64Array
    contrast: Contrast | None

    @property
    def logit(self) -> float:
        """The logit of the whole channel."""
        return float(self.logits.mean())


@dataclass(frozen=True)
class SpliceTable:
    """Clarity of a contrast to a likelihood ratio, matched by the share of untouched recordings that reach it."""

    clarity: tuple[float, ...]
    llr: tuple[float, ...]

    @classmethod
    def from_config(cls, rows: Sequence[dict[str, Any]]) -> SpliceTable:
        """Read the rows of a calibration block's `splice` table; they must rise."""
        ordered = sorted(rows, key=lambda row: float(row["clarity"]))
        return cls(
            tuple(float(row["clarity"]) for row in ordered),
            tuple(float(row["llr"]) for row in ordered),
        )

    def to_llr(self, clarity: float) -> float:
        """Return the ratio of a clarity; below the table -inf, so that it never counts."""
        if not self.clarity or clarity < self.clarity[0]:
            return float("-inf")
        return float(np.interp(clarity, self.clarity, self.llr))


class SpeechExaminer:
    """Holds the speech model; turns decoded sound into Evidence. Safe to call from several threads."""

    def __init__(
        self,
        scorer: SpeechScorer,
        calibration: Calibration,
        *,
        window_calibration: tuple[float, float, float],
        splices: SpliceTable,
        model: ModelRef,
        window_s: float,
        stretches: StretchScorer | None = None,
    ) -> None:
        """Keep the parts; see `load` for the usual way.

        Args:
            scorer: The net on its device.
            calibration: For whole recordings.
            window_calibration: Slope, intercept and cap for single windows.
            splices: For contrasts.
            model: What Evidence names.
            window_s: Seconds the net hears at once.
            stretches: Judges the short windows that splices are looked for with; None = no splice is looked for.
        """
        self.scorer = scorer
        self.calibration = calibration
        self.window_calibration = window_calibration
        self.splices = splices
        self.model = model
        self.window_s = window_s
        self.stretches = stretches

    @classmethod
    def load(
        cls,
        name: str | os.PathLike[str] = "speech",
        *,
        device: str = "auto",
        models_dir: Path | None = None,
        schedule: Schedule = run_here,
    ) -> SpeechExaminer:
        """Load the shipped speech model, or one by name or folder; `schedule` brings windows to the net.

        Raises:
            UnknownModelError: No such model.
            WeightsMismatchError: Its weights are not those that its config names.
        """
        folder = find_model(Path(name) if not isinstance(name, str) else name, folder=models_dir)
        block = folder.config["calibration"]
        window = block["window"]
        named = folder.config.get("stretch")
        stretches = None
        if named is not None:
            heads = StretchHeads.load(folder.path / str(named["weights"]), str(named["sha256"]))
            stretches = StretchScorer(folder, heads, device=device, schedule=schedule)
        return cls(
            SpeechScorer(folder, device=device, schedule=schedule),
            Calibration.from_config(block),
            window_calibration=(float(window["slope"]), float(window["intercept"]), float(window["cap"])),
            splices=SpliceTable.from_config(block.get("splice", ())),
            model=folder.ref,
            window_s=float(folder.config["input"]["window_s"]),
            stretches=stretches,
        )

    def examine(self, audio: DecodedAudio) -> Evidence:
        """Return `audio.speech` Evidence; `not_applicable` with its measured reason when there is no voice to judge.

        Of two channels with different sound, each is judged and the more suspicious one speaks for the file.
        """
        heard = [hear(audio, self.scorer.activity, channel=channel) for channel in range(len(audio.waveform))]
        judged = [number for number, activity in enumerate(heard) if refusal(activity) is None]
        if not judged:
            best = max(heard, key=lambda activity: activity.speech_s)
            answer = refusal(best)
            assert answer is not None
            return Evidence(SOURCE, Status.NOT_APPLICABLE, reasons=(answer,), model=self.model, details=_describe(best))
        results = [self.score(audio, heard[channel], channel=channel) for channel in judged]
        return self._evidence(max(results, key=self._total_llr), results)

    def score(self, audio: DecodedAudio, activity: Activity, *, channel: int = 0) -> ChannelResult:
        """Score one channel without making Evidence of it."""
        windows = plan_windows(activity.speech, audio.duration_s, window_s=self.window_s)
        batches = read_windows(audio, windows, window_s=self.window_s, channel=channel)
        logits = np.concatenate([self.scorer.score(batch) for batch in batches])
        return ChannelResult(channel, activity, windows, logits, self._contrast(audio, activity, channel))

    def _contrast(self, audio: DecodedAudio, activity: Activity, channel: int) -> Contrast | None:
        """Return the stretch that stands out in short, dense windows; None where none are looked at."""
        dense = plan_dense(activity.speech, audio.duration_s, window_s=STRETCH_S)
        if self.stretches is None or not dense:
            return None
        batches = list(read_windows(audio, dense, window_s=STRETCH_S, channel=channel))
        return find_contrast(*timeline(dense, self.stretches.score(np.concatenate(batches))))

    def window_llr(self, logit: float) -> float:
        """Return the calibrated log-likelihood ratio of a single window."""
        slope, intercept, cap = self.window_calibration
        return max(-cap, min(cap, slope * logit + intercept))

    def _splice_llr(self, result: ChannelResult) -> float:
        """Return what the strongest contrast says; -inf when its inside does not lean towards synthetic."""
        contrast = result.contrast
        if contrast is None or contrast.inside <= 0:
            return float("-inf")
        return min(self.calibration.cap, self.splices.to_llr(contrast.clarity))

    def _total_llr(self, result: ChannelResult) -> float:
        return max(self.calibration.llr(result.logit), self._splice_llr(result))

    def _evidence(self, result: ChannelResult, results: Sequence[ChannelResult]) -> Evidence:
        whole, splice = self.calibration.llr(result.logit), self._splice_llr(result)
        is_splice = splice > whole and splice > 0
        llr = splice if is_splice else whole
        half = 1.96 * self.calibration.slope * _standard_error(result, self.window_s)
        reasons = [_lean(llr)]
        if is_splice:
            reasons.insert(0, reason("speech_spliced"))
        return Evidence(
            SOURCE,
            Status.SCORED,
            llr=llr,
            interval=Interval(llr - half, llr + half),
            finding=Finding.MANIPULATED if is_splice else Finding.SYNTHETIC,
            reasons=tuple(reasons),
            where=Where(spans=self._spans(result, is_splice=is_splice)),
            model=self.model,
            details={
                **_describe(result.activity),
                "channel": result.channel,
                "channels_judged": len(results),
                "logit": round(result.logit, 4),
                "windows": len(result.windows),
                "window_s": self.window_s,
                "splice_clarity": None if result.contrast is None else round(result.contrast.clarity, 3),
                "timeline": _thin(result, self.window_llr),
            },
        )

    def _spans(self, result: ChannelResult, *, is_splice: bool) -> tuple[Span, ...]:
        """Return the stretches of speech with a score each; the one that stands out comes first, finely bounded.

        It is called `spliced` only where that is rare enough in untouched recordings to accuse, else `synthetic` where
        it leans there.
        """
        spans: list[Span] = []
        contrast = result.contrast
        if contrast is not None and (is_splice or contrast.inside > LEANING_LLR):
            label = "spliced" if is_splice else "synthetic"
            score = sigmoid(contrast.inside)
            spans.append(Span(round(contrast.start_s, 2), round(contrast.end_s, 2), round(score, 4), label))
        moments, logits = timeline(result.windows, result.logits)
        ratios = np.array([self.window_llr(float(logit)) for logit in logits])
        return (*spans, *join_moments(moments, ratios))


def join_moments(moments: Float64Array, ratios: Float64Array) -> tuple[Span, ...]:
    """Join neighbouring moments of one leaning to spans, each with the mean of its probabilities."""
    step = float(np.median(np.diff(moments))) if len(moments) > 1 else 1.0
    side = np.where(ratios > LEANING_LLR, 1, np.where(ratios < -LEANING_LLR, -1, 0))
    breaks = (np.diff(side) != 0) | (np.diff(moments) > 1.5 * step)
    edges = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(moments)]
    labels = {1: "synthetic", 0: "undecided", -1: "authentic"}
    return tuple(
        Span(
            round(max(0.0, float(moments[first] - step / 2)), 2),
            round(float(moments[last - 1] + step / 2), 2),
            round(float(np.mean([sigmoid(float(ratio)) for ratio in ratios[first:last]])), 4),
            labels[int(side[first])],
        )
        for first, last in pairwise(edges)
        if last > first
    )


def refusal(activity: Activity) -> Reason | None:
    """Return why a channel is not judged, or None."""
    kind = activity.kind
    if kind == "silence":
        return reason("audio_silent")
    if kind == "music":
        return reason("audio_is_music")
    if activity.speech_s < LEAST_SPEECH_S:
        return reason("speech_too_short") if activity.speech_s > 0 else reason("audio_without_speech")
    return None


def _lean(llr: float) -> Reason:
    if llr > LEANING_LLR:
        return reason("speech_generated_traces")
    return reason("speech_natural") if llr < -LEANING_LLR else reason("speech_undecided")


def _standard_error(result: ChannelResult, window_s: float) -> float:
    """Return the standard error of the mean logit; overlapping windows count as the seconds that they cover."""
    if len(result.logits) < 2:
        return 1.0
    covered = result.windows[-1].end_s - result.windows[0].start_s
    independent = max(1.0, min(len(result.logits), covered / window_s))
    return float(result.logits.std(ddof=1)) / float(np.sqrt(independent))


def _thin(result: ChannelResult, to_llr: Any) -> list[dict[str, float]]:
    """Return start, end and probability of windows, at most `SHOWN_WINDOWS` of them."""
    step = -(-len(result.windows) // SHOWN_WINDOWS)
    pairs = list(zip(result.windows, result.logits, strict=True))[::step]
    return [
        {
            "start_s": round(window.start_s, 2),
            "end_s": round(window.end_s, 2),
            "p_synthetic": round(sigmoid(to_llr(float(logit))), 4),
        }
        for window, logit in pairs
    ]


def _describe(activity: Activity) -> dict[str, Any]:
    """Return what the gate measured, JSON-ready."""
    return {
        "kind": activity.kind,
        "speech_s": round(activity.speech_s, 2),
        "duration_s": round(activity.duration_s, 2),
        "loudest_dbfs": round(activity.loudest_dbfs, 1),
        "tonality": round(activity.tonality, 3),
        "speech_spans": [[round(start, 2), round(end, 2)] for start, end in activity.speech[:SHOWN_WINDOWS]],
    }

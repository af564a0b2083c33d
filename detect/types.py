"""The words of the house as frozen dataclasses: Evidence in, Report out.

Directions never change: `authenticity` in [0, 1], larger = more authentic, is the only headline score.
`p_synthetic` in [0, 1] appears only inside evidence. `llr` is the natural log of
P(observation | synthetic or manipulated) / P(observation | authentic): positive = towards synthetic.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

SCHEMA_VERSION = "1.0"
"""Version of the Report's JSON form; `docs/report.schema.json` is published under it."""

UInt8Array = npt.NDArray[np.uint8]
Int16Array = npt.NDArray[np.int16]
Float32Array = npt.NDArray[np.float32]

_EMPTY: Mapping[str, Any] = MappingProxyType({})


class MediaKind(StrEnum):
    """What a file is, read from its bytes and never from its name."""

    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    DOCUMENT = "document"
    UNKNOWN = "unknown"


class Status(StrEnum):
    """How one kind of evidence ended."""

    SCORED = "scored"
    NOT_APPLICABLE = "not_applicable"
    UNAVAILABLE = "unavailable"
    FAILED = "failed"


class Verdict(StrEnum):
    """The answer in one word; words for people are made in `detect.fusion.explain`."""

    LIKELY_AUTHENTIC = "likely_authentic"
    LIKELY_SYNTHETIC = "likely_synthetic"
    LIKELY_MANIPULATED = "likely_manipulated"
    INCONCLUSIVE = "inconclusive"
    NOT_APPLICABLE = "not_applicable"


class Finding(StrEnum):
    """What a positive `llr` of this evidence would mean."""

    SYNTHETIC = "synthetic"  # the whole was generated
    MANIPULATED = "manipulated"  # an authentic base with generated parts


@dataclass(frozen=True)
class Reason:
    """One stable, machine-readable code with plain English beside it."""

    code: str
    text: str


@dataclass(frozen=True)
class Interval:
    """A closed interval; 95 % unless the field that holds it says otherwise."""

    low: float
    high: float


@dataclass(frozen=True)
class Region:
    """A rectangle in pixels of the upright picture, origin top left, with its score."""

    x: int
    y: int
    width: int
    height: int
    p_synthetic: float | None = None
    label: str = ""


@dataclass(frozen=True)
class Span:
    """A stretch of time in seconds with its score."""

    start_s: float
    end_s: float
    p_synthetic: float | None = None
    label: str = ""


@dataclass(frozen=True)
class HeatMap:
    """Score per cell of a regular grid over the upright picture.

    `grid` is row-major, `rows` x `columns`, each in [0, 1] (p_synthetic). The grid covers the whole picture of
    `width` x `height` pixels; cell (r, c) covers x in [c*width/columns, (c+1)*width/columns).
    """

    width: int
    height: int
    grid: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Where:
    """Where in the file the evidence lies; every part may be empty."""

    regions: tuple[Region, ...] = ()
    spans: tuple[Span, ...] = ()
    heat_map: HeatMap | None = None


@dataclass(frozen=True)
class ModelRef:
    """Which model spoke: folder name, version and the SHA-256 of its weights."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Evidence:
    """What one source says about one file.

    Attributes:
        source: Dotted name, for example `image.pixels`, `provenance.c2pa`, `audio.speech`.
        status: Whether it scored; `llr` is exactly 0 unless `scored`.
        llr: Calibrated natural-log likelihood ratio, positive towards synthetic or manipulated.
        interval: 95 % interval of `llr`, when the source can give one.
        finding: What a positive `llr` means.
        p_synthetic_floor: When set, policy keeps the fused P(synthetic) at or above this.
        p_synthetic_ceiling: When set, policy keeps the fused P(synthetic) at or below this.
        reasons: Stable codes with text, most important first.
        where: Regions in pixels, spans in seconds, or a map.
        model: The model that spoke, when one did.
        details: JSON-ready facts for people who look closer; strings from files are already cleaned.
    """

    source: str
    status: Status
    llr: float = 0.0
    interval: Interval | None = None
    finding: Finding = Finding.SYNTHETIC
    p_synthetic_floor: float | None = None
    p_synthetic_ceiling: float | None = None
    reasons: tuple[Reason, ...] = ()
    where: Where = field(default_factory=Where)
    model: ModelRef | None = None
    details: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)

    def __post_init__(self) -> None:
        if self.status is not Status.SCORED and self.llr != 0.0:
            raise ValueError(f"{self.source}: llr must be 0 when status is {self.status}, not {self.llr}")
        if not np.isfinite(self.llr):
            raise ValueError(f"{self.source}: llr must be finite, not {self.llr}")


@dataclass(frozen=True)
class MediaFacts:
    """What the file is, measured from its bytes.

    `name` is the last part of the path as given (cleaned for display); `format` the sniffed format in lower case
    (`jpeg`, `png`, `wav`, ...); sizes in pixels after EXIF orientation; `notes` are codes such as `first_frame_only`,
    `alpha_flattened`, `converted_from_cmyk`, `extension_mismatch`.
    """

    name: str
    sha256: str
    bytes: int
    kind: MediaKind
    format: str
    mime: str
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    sample_rate_hz: int | None = None
    channels: int | None = None
    fps: float | None = None
    codec: str | None = None
    notes: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class DecodedImage:
    """A decoded still picture: (H, W, 3) uint8 sRGB, upright, without alpha."""

    pixels_rgb: UInt8Array
    facts: MediaFacts


@dataclass(frozen=True)
class DecodedAudio:
    """Decoded sound: (channels, samples) int16 at `sample_rate_hz`; a long one is mapped from a temporary file.

    Why not float32: three hours would be 700 MB a channel, and 16 bits are more than any voice recording holds.
    """

    waveform: Int16Array
    sample_rate_hz: int
    facts: MediaFacts

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return float(self.waveform.shape[1] / self.sample_rate_hz)

    def read(self, start_s: float, end_s: float, *, channel: int = 0) -> Float32Array:
        """Return the samples of one channel between two moments, float32 in [-1, 1]."""
        first, last = (round(moment * self.sample_rate_hz) for moment in (start_s, end_s))
        samples = self.waveform[channel, max(0, first) : last].astype(np.float32)
        samples /= np.float32(32767)
        _let_go(self.waveform)
        return samples


def _let_go(waveform: npt.NDArray[np.int16]) -> None:
    """Give back the pages of a waveform that a file holds: hours of sound would else stay in memory once read."""
    base: object = waveform
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


@dataclass(frozen=True)
class Contribution:
    """One line of the ledger: after caps, the `llr` values and the prior add up to the posterior log-odds."""

    source: str
    llr: float
    raw_llr: float
    note: str = ""


@dataclass(frozen=True)
class Stability:
    """The score after a small fixed set of re-shippings (re-encoding, resizing).

    `authenticity` maps the name of each re-shipping to the score under it; `is_stable` is false when the verdict flips
    between an accusation and an acquittal.
    """

    is_stable: bool
    authenticity: Mapping[str, float]


@dataclass(frozen=True)
class Operating:
    """The operating point behind the verdict.

    Total log-odds at or above `synthetic_threshold` accuse, at or below `authentic_threshold` acquit; both come from
    the calibration table `calibration_id` for the budget `max_false_positive_rate`.
    """

    max_false_positive_rate: float
    synthetic_threshold: float
    authentic_threshold: float
    calibration_id: str


@dataclass(frozen=True)
class ErrorFacts:
    """Why a file of a batch could not be judged: the stable code of a `WitnessmarkError` and its message."""

    code: str
    message: str


@dataclass(frozen=True)
class Report:
    """One file, one answer, and everything it rests on.

    `prior_log_odds` plus the `contributions` equals the log-odds of `1 - authenticity`, to 1e-6. `authenticity` is
    None exactly when nothing could be scored (`not_applicable`, or `error` is set).
    """

    verdict: Verdict
    authenticity: float | None
    media: MediaFacts | None
    interval: Interval | None = None
    reasons: tuple[Reason, ...] = ()
    limits: tuple[Reason, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    contributions: tuple[Contribution, ...] = ()
    prior_log_odds: float = 0.0
    stability: Stability | None = None
    operating: Operating | None = None
    disclosures: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)
    pipeline: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)
    timings_ms: Mapping[str, float] = field(default_factory=lambda: _EMPTY)
    error: ErrorFacts | None = None
    path: str = ""
    schema_version: str = SCHEMA_VERSION

    def find(self, source: str) -> Evidence | None:
        """Return the evidence of that source, or None when it was not looked at."""
        return next((item for item in self.evidence if item.source == source), None)

    def _repr_html_(self) -> str:
        """Return the card that notebooks show; named, not imported, so that the words stay below the rendering."""
        card: str = import_module("detect.render.notebook").report_card(self)
        return card

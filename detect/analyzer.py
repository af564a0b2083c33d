"""One file in, one explained Report out: the object that the command, the API, the bench and users call."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from detect.errors import ConfigError, WitnessmarkError
from detect.fusion import choose_verdict, combine, reason, sigmoid
from detect.media import Limits, MediaSource, open_source
from detect.text import clean_text
from detect.types import (
    DecodedImage,
    ErrorFacts,
    Evidence,
    Interval,
    MediaFacts,
    MediaKind,
    Operating,
    Reason,
    Report,
    Stability,
    Status,
    Verdict,
)

if TYPE_CHECKING:
    from detect.evidence.image import ImageExaminer

log = logging.getLogger(__name__)
FileLike = str | os.PathLike[str] | bytes | BinaryIO


@dataclass(frozen=True)
class AnalyzerSettings:
    """Every knob of the analysis, with unit, range and default.

    Attributes:
        max_false_positive_rate: Accepted share of authentic files that may be accused, in (0, 0.5].
        prior_log_odds: Natural-log prior odds of synthetic or manipulated; 0 = even; within [-10, 10].
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        check_stability: Also score re-shipped copies and abstain when the verdict flips.
        locate: Also make heat maps.
        read_provenance: Also read C2PA, metadata and watermarks.
        models_dir: A folder of model folders instead of the shipped one.
        limits: Largest bytes, pixels and seconds that a file may cost.
    """

    max_false_positive_rate: float = 0.02
    prior_log_odds: float = 0.0
    device: str = "auto"
    check_stability: bool = True
    locate: bool = True
    read_provenance: bool = True
    models_dir: Path | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not 0 < self.max_false_positive_rate <= 0.5:
            raise ConfigError(f"max_false_positive_rate must be in (0, 0.5], not {self.max_false_positive_rate}")
        if not -10 <= self.prior_log_odds <= 10:
            raise ConfigError(f"prior_log_odds must be within [-10, 10], not {self.prior_log_odds}")


@dataclass
class _Prepared:
    """A file after everything that needs no network: facts, provenance and decoded media."""

    path: str
    facts: MediaFacts
    evidence: list[Evidence]
    image: DecodedImage | None
    timings_ms: dict[str, float]


class Analyzer:
    """Holds loaded models, device and settings; safe to call from several threads.

    Example:
        analyzer = Analyzer(AnalyzerSettings(max_false_positive_rate=0.01))
        for report in analyzer.analyze_many(paths):
            print(report.path, report.verdict, report.authenticity)
    """

    def __init__(self, settings: AnalyzerSettings | None = None) -> None:
        self.settings = settings or AnalyzerSettings()
        self._loading = threading.Lock()
        self._image_examiner: ImageExaminer | None = None

    def analyze(self, file: FileLike, *, name: str | None = None) -> Report:
        """Return the Report of one file.

        Args:
            file: A path, the bytes of a file, or a binary file object.
            name: What to call the file in the Report when `file` has no path.

        Raises:
            WitnessmarkError: With a stable `code`; nothing about the file could be judged.
        """
        return self._judge([self._prepare(file, name=name)])[0]

    def analyze_many(self, files: Iterable[FileLike]) -> Iterator[Report]:
        """Yield one Report a file in the order given; a file that fails yields a Report with `error` set.

        Decoding runs ahead of the model in two threads, a few files at most, so memory stays bounded; `files` may be
        an endless iterator.
        """
        chunk = 16 if self.image_examiner.scorer.device.startswith("cuda") else 1
        with ThreadPoolExecutor(max_workers=2, thread_name_prefix="decode") as pool:
            pending: deque[tuple[FileLike, Future[_Prepared]]] = deque()
            source = iter(files)
            while True:
                for file in source:
                    pending.append((file, pool.submit(self._prepare, file, name=None)))
                    if len(pending) >= chunk + 3:
                        break
                if not pending:
                    return
                taken = [pending.popleft() for _ in range(min(chunk, len(pending)))]
                yield from self._judge_outcomes(taken)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of what decides a Report besides the file: versions, weights and settings."""
        return hashlib.sha256(json.dumps(self.pipeline, sort_keys=True).encode()).hexdigest()

    @cached_property
    def pipeline(self) -> Mapping[str, Any]:
        """Versions, weights and settings, as every Report quotes them."""
        import detect
        from detect.networks.zoo import list_models

        return {
            "witnessmark": detect.__version__,
            "models": {model.name: model.ref.sha256 for model in list_models(self.settings.models_dir)},
            "max_false_positive_rate": self.settings.max_false_positive_rate,
            "prior_log_odds": self.settings.prior_log_odds,
            "check_stability": self.settings.check_stability,
            "read_provenance": self.settings.read_provenance,
        }

    @property
    def image_examiner(self) -> ImageExaminer:
        """The picture model, loaded at first use."""
        with self._loading:
            if self._image_examiner is None:
                from detect.evidence.image import ImageExaminer

                self._image_examiner = ImageExaminer.load(
                    device=self.settings.device, models_dir=self.settings.models_dir
                )
            return self._image_examiner

    # ---------------------------------------------------------------- before the networks

    def _prepare(self, file: FileLike, *, name: str | None) -> _Prepared:
        started = time.perf_counter()
        with open_source(file, name=name, limits=self.settings.limits) as source:
            timings = {"open": _ms_since(started)}
            facts, evidence, image = _facts_of(source), list[Evidence](), None
            if self.settings.read_provenance:
                started = time.perf_counter()
                evidence += self._read_provenance(source)
                timings["provenance"] = _ms_since(started)
            if source.kind is MediaKind.IMAGE:
                from detect.media.image import decode_image

                started = time.perf_counter()
                image = decode_image(source, limits=self.settings.limits)
                facts = image.facts
                timings["decode"] = _ms_since(started)
        path = os.fsdecode(file) if isinstance(file, str | os.PathLike) else facts.name
        return _Prepared(clean_text(path, max_characters=4096), facts, evidence, image, timings)

    def _read_provenance(self, source: MediaSource) -> list[Evidence]:
        from detect import provenance

        return list(provenance.examine(source.path, kind=source.kind, format=source.format))

    # ---------------------------------------------------------------- networks, fusion, verdict

    def _judge_outcomes(self, taken: Sequence[tuple[FileLike, Future[_Prepared]]]) -> Iterator[Report]:
        """Yield Reports of a chunk in order; files that failed to open or decode become error Reports."""
        ready: list[_Prepared] = []
        outcomes: list[_Prepared | Report] = []
        for file, future in taken:
            try:
                prepared = future.result()
                ready.append(prepared)
                outcomes.append(prepared)
            except WitnessmarkError as error:
                outcomes.append(failed_report(file, error))
        judged = iter(self._judge(ready))
        for outcome in outcomes:
            yield outcome if isinstance(outcome, Report) else next(judged)

    def _judge(self, files: Sequence[_Prepared]) -> list[Report]:
        started = time.perf_counter()
        images = [each.image for each in files if each.image is not None]
        pixel_evidence = iter(self.image_examiner.examine_many(images, locate=self.settings.locate) if images else ())
        for each in files:
            if each.image is not None:
                each.evidence.insert(0, next(pixel_evidence))
                each.timings_ms["pixels"] = _ms_since(started) / max(1, len(images))
        return [self._report(each) for each in files]

    def _report(self, file: _Prepared) -> Report:
        operating = self._operating(file.facts.kind)
        evidence = tuple(file.evidence)
        stability = self._stability(file, operating)
        posterior = combine(evidence, prior_log_odds=self.settings.prior_log_odds)
        verdict, reasons = choose_verdict(evidence, posterior, operating, stability=stability)
        interval = None
        if posterior is not None and posterior.interval is not None:
            interval = Interval(sigmoid(-posterior.interval.high), sigmoid(-posterior.interval.low))
        return Report(
            verdict=verdict,
            authenticity=None if posterior is None else posterior.authenticity,
            media=file.facts,
            interval=interval,
            reasons=reasons,
            limits=_limits(file, self.settings),
            evidence=evidence,
            contributions=() if posterior is None else posterior.contributions,
            prior_log_odds=self.settings.prior_log_odds,
            stability=stability,
            operating=operating,
            disclosures=self._disclosures(evidence),
            pipeline={**self.pipeline, "fingerprint": self.fingerprint},
            timings_ms={key: round(value, 2) for key, value in file.timings_ms.items()},
            path=file.path,
        )

    def _operating(self, kind: MediaKind) -> Operating:
        """Return the thresholds of this kind of media; without a classifier nothing but statements can decide."""
        if kind is MediaKind.IMAGE:
            return self.image_examiner.calibration.operating(self.settings.max_false_positive_rate)
        return Operating(self.settings.max_false_positive_rate, float("inf"), float("-inf"), "none")

    def _stability(self, file: _Prepared, operating: Operating) -> Stability | None:
        pixels = next((item for item in file.evidence if item.source == "image.pixels"), None)
        if (
            not self.settings.check_stability
            or file.image is None
            or pixels is None
            or pixels.status is not Status.SCORED
        ):
            return None
        from detect.evidence.reshipping import reshipped_llrs

        started = time.perf_counter()
        scores: dict[str, float] = {}
        totals: list[float] = []
        for name, llr in reshipped_llrs(self.image_examiner, file.image.pixels_rgb).items():
            swapped = [replace(pixels, llr=llr) if item is pixels else item for item in file.evidence]
            posterior = combine(swapped, prior_log_odds=self.settings.prior_log_odds)
            assert posterior is not None
            totals.append(posterior.log_odds)
            scores[name] = posterior.authenticity
        base = combine(file.evidence, prior_log_odds=self.settings.prior_log_odds)
        assert base is not None
        file.timings_ms["stability"] = _ms_since(started)
        return Stability(is_stable(base.log_odds, totals, operating), scores)

    def _disclosures(self, evidence: Sequence[Evidence]) -> Mapping[str, Any]:
        if not self.settings.read_provenance:
            return {}
        from detect import provenance

        return provenance.disclosures(evidence)


def is_stable(base: float, reshipped: Sequence[float], operating: Operating) -> bool:
    """Return whether a decided answer keeps its side of even odds under every re-shipping; undecided ones always do."""
    if base >= operating.synthetic_threshold:
        return all(total > 0 for total in reshipped)
    if base <= operating.authentic_threshold:
        return all(total < 0 for total in reshipped)
    return True


def failed_report(file: FileLike, error: WitnessmarkError) -> Report:
    """Return the Report of a file that could not be judged: a row like any other, with `error` set."""
    path = clean_text(os.fsdecode(file), max_characters=4096) if isinstance(file, str | os.PathLike) else ""
    return Report(
        verdict=Verdict.NOT_APPLICABLE,
        authenticity=None,
        media=None,
        error=ErrorFacts(error.code, clean_text(str(error), max_characters=1000)),
        path=path,
    )


def analyze(file: FileLike, *, settings: AnalyzerSettings | None = None) -> Report:
    """Return the Report of one file with the shipped models; models stay loaded between calls.

    Raises:
        WitnessmarkError: With a stable `code`; see `Analyzer.analyze`.
    """
    return _shared(settings or AnalyzerSettings()).analyze(file)


def analyze_many(files: Iterable[FileLike], *, settings: AnalyzerSettings | None = None) -> Iterator[Report]:
    """Yield Reports in the order given; see `Analyzer.analyze_many`."""
    return _shared(settings or AnalyzerSettings()).analyze_many(files)


_shared_lock = threading.Lock()
_shared_analyzer: Analyzer | None = None


def _shared(settings: AnalyzerSettings) -> Analyzer:
    """Return one Analyzer for the module-level doors, made anew only when the settings change."""
    global _shared_analyzer
    with _shared_lock:
        if _shared_analyzer is None or _shared_analyzer.settings != settings:
            _shared_analyzer = Analyzer(settings)
        return _shared_analyzer


def _facts_of(source: MediaSource) -> MediaFacts:
    return MediaFacts(
        name=clean_text(source.name, max_characters=255),
        sha256=source.sha256,
        bytes=source.size,
        kind=source.kind,
        format=source.format,
        mime=source.mime,
    )


def _limits(file: _Prepared, settings: AnalyzerSettings) -> tuple[Reason, ...]:
    """Return what the answer does not say and what was not checked, for this file."""
    codes = ["not_a_truth_check", "authentic_can_mislead"]
    if file.image is not None:
        codes += ["unseen_generators", "local_edits_may_hide"]
        pixels = next((item for item in file.evidence if item.source == "image.pixels"), None)
        if pixels is not None and float(pixels.details.get("covered_share", 1.0)) < 0.95:
            codes.append("partly_sampled")
        if min(file.image.pixels_rgb.shape[:2]) < 256:
            codes.append("small_picture")
        if not settings.check_stability:
            codes.append("stability_not_checked")
    if settings.read_provenance:
        codes += ["no_provenance_is_neutral", "proprietary_watermarks"]
    else:
        codes.append("provenance_not_read")
    return tuple(reason(code) for code in codes)


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000

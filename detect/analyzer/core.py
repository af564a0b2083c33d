"""The Analyzer: holds the models, puts the parts together, and knows the whole path of a file."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any

from detect.analyzer.ahead import Ahead
from detect.analyzer.clip import no_faces, watch_clip
from detect.analyzer.limits import limits_of
from detect.analyzer.prepare import FileLike, Prepared, prepare, shown_path
from detect.analyzer.settings import AnalyzerSettings
from detect.analyzer.stability import check_stability
from detect.engine import Engine, shared_engine
from detect.engine.local import usable_cores
from detect.errors import MissingExtraError, UnknownModelError, WitnessmarkError
from detect.evidence.music import examine as examine_music
from detect.evidence.plugins import Examiner, Media, examine_all, load_plugins
from detect.fusion import Posterior, choose_verdict, combine, reason, sigmoid
from detect.media import MediaSource
from detect.networks.device import pick_device
from detect.text import clean_text
from detect.types import (
    DecodedAudio,
    ErrorFacts,
    Evidence,
    Interval,
    MediaKind,
    Operating,
    Report,
    Stability,
    Status,
    Verdict,
)

if TYPE_CHECKING:
    from detect.evidence.faces import FaceExaminer
    from detect.evidence.frames import FrameExaminer
    from detect.evidence.image import ImageExaminer
    from detect.evidence.speech import SpeechExaminer

_LOOK_AHEAD = 2
"""Files under way besides one a core: while some wait for the model, others decode; few enough to bound memory."""
_GPU_FILES = 16
"""Least files under way for a GPU: their patches together fill its batches."""


class Analyzer:
    """Holds loaded models, device and settings; safe to call from several threads.

    Networks run through an engine, which mixes the patches and windows of all files under way in one queue a device.

    Args:
        settings: Every knob.
        engine: Where models run; default: this process's lanes, which all Analyzers share.

    Example:
        analyzer = Analyzer(AnalyzerSettings(max_false_positive_rate=0.01))
        for report in analyzer.analyze_many(paths):
            print(report.path, report.verdict, report.authenticity)
    """

    def __init__(self, settings: AnalyzerSettings | None = None, *, engine: Engine | None = None) -> None:
        self.settings = settings or AnalyzerSettings()
        self.engine = engine or shared_engine()
        self._loading = threading.Lock()
        self._image_examiner: ImageExaminer | None = None
        self._speech_examiner: SpeechExaminer | None = None
        self._frame_examiner: FrameExaminer | None = None
        self._frames_missing = False
        self._face_examiner: FaceExaminer | Evidence | None = None
        self._ahead = Ahead(
            {
                MediaKind.IMAGE: lambda: (self.image_examiner, self.face_examiner),
                MediaKind.AUDIO: lambda: self.speech_examiner,
            }
        )

    def analyze(self, file: FileLike, *, name: str | None = None) -> Report:
        """Return the Report of one file.

        Args:
            file: A path, the bytes of a file, or a binary file object.
            name: What to call the file in the Report when `file` has no path.

        Raises:
            WitnessmarkError: With a stable `code`; nothing about the file could be judged.
        """
        prepared = prepare(
            file,
            name=name,
            settings=self.settings,
            opened=lambda source: self._ahead.start(source.kind),
            watch=self._watch,
        )
        return self._judge(prepared)

    def analyze_many(self, files: Iterable[FileLike]) -> Iterator[Report]:
        """Yield one Report a file in the order given; a file that fails yields a Report with `error` set.

        Several files are under way at once, so that the model need not wait for decoding; a few at most, so that
        memory stays bounded. `files` may be an endless iterator.
        """
        pending: deque[Future[Report]] = deque()
        source = iter(files)
        pool = ThreadPoolExecutor(max_workers=self.width, thread_name_prefix="analyze")
        try:
            while True:
                while len(pending) < self.width + 1:
                    try:
                        file = next(source)
                    except StopIteration:
                        break
                    pending.append(pool.submit(self._analyze_or_say_why, file))
                if not pending:
                    return
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    @cached_property
    def width(self) -> int:
        """Files under way at once in `analyze_many`."""
        files = usable_cores() + _LOOK_AHEAD
        return max(files, _GPU_FILES) if pick_device(self.settings.device).startswith("cuda") else files

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
            "dense": self.settings.dense,
            "judge_faces": self.settings.judge_faces,
            "plugins": {examiner.source: examiner.version for examiner in self.plugins},
            "yunet": None if self.settings.yunet is None else self.settings.yunet.name,
        }

    @property
    def image_examiner(self) -> ImageExaminer:
        """The picture model, loaded at first use."""
        with self._loading:
            if self._image_examiner is None:
                from detect.evidence.image import ImageExaminer

                self._image_examiner = ImageExaminer.load(
                    device=self.settings.device, models_dir=self.settings.models_dir, schedule=self.engine.run
                )
            return self._image_examiner

    @property
    def speech_examiner(self) -> SpeechExaminer:
        """The speech model, loaded at first use."""
        with self._loading:
            if self._speech_examiner is None:
                from detect.evidence.speech import SpeechExaminer

                self._speech_examiner = SpeechExaminer.load(
                    device=self.settings.device, models_dir=self.settings.models_dir, schedule=self.engine.run
                )
            return self._speech_examiner

    @property
    def frame_examiner(self) -> FrameExaminer | None:
        """The model for frames of clips, loaded at first use; None when the models folder has none."""
        with self._loading:
            if self._frame_examiner is None and not self._frames_missing:
                from detect.evidence.frames import FrameExaminer

                try:
                    self._frame_examiner = FrameExaminer.load(
                        device=self.settings.device, models_dir=self.settings.models_dir, schedule=self.engine.run
                    )
                except UnknownModelError:
                    self._frames_missing = True
            return self._frame_examiner

    @property
    def face_examiner(self) -> FaceExaminer | Evidence:
        """The face model with its detector, loaded at first use; else the Evidence that says why there is none."""
        with self._loading:
            if self._face_examiner is None:
                self._face_examiner = self._load_faces()
            return self._face_examiner

    def _load_faces(self) -> FaceExaminer | Evidence:
        if not self.settings.judge_faces:
            return no_faces("faces_not_asked")
        from detect.evidence.faces import FaceExaminer

        try:
            return FaceExaminer.load(
                device=self.settings.device,
                models_dir=self.settings.models_dir,
                yunet=self.settings.yunet,
                schedule=self.engine.run,
            )
        except UnknownModelError:
            return no_faces("no_face_model")
        except MissingExtraError:
            return no_faces("face_detector_missing")

    @cached_property
    def plugins(self) -> tuple[Examiner, ...]:
        """The kinds of evidence of other packages that were asked for."""
        return load_plugins(self.settings.plugins)

    def _watch(self, source: MediaSource, prepared: Prepared) -> None:
        watch_clip(source, prepared, self.settings, self.frame_examiner, self.face_examiner)

    def _analyze_or_say_why(self, file: FileLike) -> Report:
        """Return the Report of a file; one that fails to open or decode gets an error Report."""
        try:
            return self.analyze(file)
        except WitnessmarkError as error:
            return failed_report(file, error)

    def _judge(self, file: Prepared) -> Report:
        """Run the networks over what was decoded and report."""
        image, audio = file.image, file.audio
        if image is not None:
            pixels = file.timed("pixels", lambda: self.image_examiner.examine(image, locate=self.settings.locate))
            file.evidence.insert(0, pixels)
            faces = self.face_examiner
            if not isinstance(faces, Evidence):
                file.evidence.insert(1, file.timed("faces", lambda: faces.examine_picture(image.pixels_rgb)))
        if audio is not None:
            place = 2 if file.facts.kind is MediaKind.VIDEO else 0
            heard = self._examine_speech(file, audio)
            file.evidence.insert(place, heard)
            if heard.details.get("kind") == "music":
                file.evidence.insert(place + 1, examine_music(tonality=float(heard.details["tonality"])))
        if self.plugins:
            media = Media(file.facts, image, audio)
            file.evidence += file.timed("plugins", lambda: examine_all(self.plugins, media))
        return self._report(file)

    def _examine_speech(self, file: Prepared, audio: DecodedAudio) -> Evidence:
        """Return `audio.speech` Evidence; a models folder without a speech model leaves it unavailable."""
        try:
            examiner = self.speech_examiner
        except UnknownModelError:
            return Evidence("audio.speech", Status.UNAVAILABLE, reasons=(reason("no_speech_model"),))
        return file.timed("speech", lambda: examiner.examine(audio))

    def _report(self, file: Prepared) -> Report:
        evidence = tuple(file.evidence)
        operating = self._operating(file.facts.kind, evidence)
        posterior = combine(evidence, prior_log_odds=self.settings.prior_log_odds)
        stability = self._stability(file, posterior, operating)
        verdict, reasons = choose_verdict(evidence, posterior, operating, stability=stability)
        return Report(
            verdict=verdict,
            authenticity=None if posterior is None else posterior.authenticity,
            media=file.facts,
            interval=_authenticity_interval(posterior),
            reasons=reasons,
            limits=limits_of(file, self.settings),
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

    def _operating(self, kind: MediaKind, evidence: Sequence[Evidence]) -> Operating:
        """Return the thresholds of this kind of media; without a classifier nothing but statements can decide."""
        if kind is MediaKind.IMAGE:
            return self.image_examiner.calibration.operating(self.settings.max_false_positive_rate)
        if kind is MediaKind.VIDEO:
            return self._clip_operating(evidence)
        if kind is MediaKind.AUDIO and self._speech_examiner is not None:
            return self._speech_examiner.calibration.operating(self.settings.max_false_positive_rate)
        return Operating(self.settings.max_false_positive_rate, float("inf"), float("-inf"), "none")

    def _clip_operating(self, evidence: Sequence[Evidence]) -> Operating:
        """Return the thresholds of a clip: the strictest of the classifiers that scored it.

        Each keeps the budget on clips of its own held-out sources; the strictest one keeps it for their capped sum as
        far as `witnessmark bench video` shows.
        """
        scored = {item.source for item in evidence if item.status is Status.SCORED}
        tables = [
            examiner.calibration.operating(self.settings.max_false_positive_rate)
            for source, examiner in (
                ("video.frames", self._frame_examiner),
                ("face.swap", self._face_examiner),
                ("audio.speech", self._speech_examiner),
            )
            if source in scored and examiner is not None and not isinstance(examiner, Evidence)
        ]
        if not tables:
            return Operating(self.settings.max_false_positive_rate, float("inf"), float("-inf"), "none")
        return Operating(
            self.settings.max_false_positive_rate,
            max(table.synthetic_threshold for table in tables),
            min(table.authentic_threshold for table in tables),
            "+".join(table.calibration_id for table in tables),
        )

    def _stability(self, file: Prepared, posterior: Posterior | None, operating: Operating) -> Stability | None:
        if not self.settings.check_stability or file.image is None or posterior is None:
            return None
        return file.timed("stability", lambda: check_stability(file, posterior, operating, self.image_examiner))

    def _disclosures(self, evidence: Sequence[Evidence]) -> Mapping[str, Any]:
        if not self.settings.read_provenance:
            return {}
        from detect import provenance

        return provenance.disclosures(evidence)


def failed_report(file: FileLike, error: WitnessmarkError) -> Report:
    """Return the Report of a file that could not be judged: a row like any other, with `error` set."""
    return Report(
        verdict=Verdict.NOT_APPLICABLE,
        authenticity=None,
        media=None,
        error=ErrorFacts(error.code, clean_text(str(error), max_characters=1000)),
        path=shown_path(file),
    )


def _authenticity_interval(posterior: Posterior | None) -> Interval | None:
    """Return the 95 % interval of authenticity: that of the log-odds, turned round."""
    if posterior is None or posterior.interval is None:
        return None
    return Interval(sigmoid(-posterior.interval.high), sigmoid(-posterior.interval.low))

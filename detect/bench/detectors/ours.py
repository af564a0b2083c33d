"""Our own Analyzer as a detector: pixels or sound only, provenance off, with the verdict a user would get."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from detect.analyzer import Analyzer, AnalyzerSettings
from detect.bench.detectors.base import Prediction
from detect.fusion import sigmoid
from detect.types import Evidence, Report, Status, Verdict

PRIMARY = ("image.pixels", "video.frames", "audio.speech", "audio.music")
"""Evidence whose likelihood ratio is the score, the first one that scored."""

FACES = ("face.swap",)


@dataclass
class AnalyzerDetector:
    """Runs `detect.analyzer.Analyzer`; the score is the likelihood ratio of the content evidence.

    Provenance stays off, because perturbed copies carry none and the question here is what the content tells. With
    `check_stability` the verdict is the product's default one (several times slower); the score is the same.
    """

    name: str = "ours"
    check_stability: bool = True
    models_dir: Path | None = None
    device: str = "auto"
    max_false_positive_rate: float = 0.02
    primary: tuple[str, ...] = PRIMARY
    _analyzer: Analyzer | None = field(default=None, repr=False)

    @property
    def analyzer(self) -> Analyzer:
        """Return the Analyzer, made at first use."""
        if self._analyzer is None:
            self._analyzer = Analyzer(
                AnalyzerSettings(
                    max_false_positive_rate=self.max_false_positive_rate,
                    device=self.device,
                    check_stability=self.check_stability,
                    locate=False,
                    read_provenance=False,
                    models_dir=self.models_dir,
                )
            )
        return self._analyzer

    @property
    def fingerprint(self) -> str:
        """Return the Analyzer's (versions, weights, settings) with the models' configs: thresholds decide verdicts."""
        from detect.networks.zoo import list_models

        configs = [json.dumps(dict(model.config), sort_keys=True) for model in list_models(self.models_dir)]
        return hashlib.sha256("\n".join([self.analyzer.fingerprint, *configs]).encode()).hexdigest()

    def predict_many(self, paths: Sequence[Path]) -> Iterator[Prediction]:
        """Yield one prediction a path, in order."""
        for report in self.analyzer.analyze_many(list(paths)):
            yield to_prediction(report, primary=self.primary)


def to_prediction(report: Report, *, primary: Sequence[str] = PRIMARY) -> Prediction:
    """Return what a Report says: the content evidence's llr as score, the fused probability, the verdict."""
    if report.error is not None:
        return Prediction(error=f"{report.error.code}: {report.error.message}"[:300])
    if report.authenticity is None or report.verdict is Verdict.NOT_APPLICABLE:
        codes = ", ".join(reason.code for reason in report.reasons) or "no reason given"
        return Prediction(verdict=str(report.verdict), error=f"not applicable: {codes}")
    evidence = _content(report, primary)
    if evidence is not None and evidence.source in FACES and "llr_seen" in evidence.details:
        return _of_faces(report, evidence)
    if evidence is None and tuple(primary) == FACES:
        return Prediction(verdict=str(report.verdict), error="not applicable: no face was judged")
    llr = sum(line.llr for line in report.contributions) if evidence is None else evidence.llr
    logit = None if evidence is None else evidence.details.get("logit")
    return Prediction(
        score=llr,
        p_synthetic=1.0 - report.authenticity,
        verdict=str(report.verdict),
        raw=None if logit is None else float(logit),
    )


def _of_faces(report: Report, evidence: Evidence) -> Prediction:
    """Return what the faces alone say: in a picture they count in the ledger only beyond their own threshold."""
    llr = float(evidence.details["llr_seen"])
    return Prediction(
        score=llr, p_synthetic=sigmoid(llr), verdict=str(report.verdict), raw=float(evidence.details["logit"])
    )


def _content(report: Report, primary: Sequence[str]) -> Evidence | None:
    """Return the first content evidence that scored; without one the score is the whole ledger without the prior."""
    found = (report.find(source) for source in primary)
    return next((item for item in found if item is not None and item.status is Status.SCORED), None)

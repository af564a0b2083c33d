"""The contract of a detector: paths in, one `Prediction` each out, in the same order.

    class MyDetector:
        name = "mine"
        fingerprint = "mine-1.0"

        def predict_many(self, paths):
            for path in paths:
                yield Prediction.of_probability(my_model(path))

A package registers one under the entry-point group `witnessmark.detectors`: a function without arguments that returns
such an object.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from detect.errors import ConfigError

ACCUSING = frozenset({"likely_synthetic", "likely_manipulated"})
DECIDED = ACCUSING | {"likely_authentic"}

_EDGE = 1e-15  # keeps logit(p) finite; a detector that says exactly 0 or 1 pays 34.5 nats when it is wrong


@dataclass(frozen=True)
class Prediction:
    """What a detector says about one file.

    Attributes:
        score: Larger = more synthetic; natural-log likelihood ratio where the detector is calibrated. None = no answer.
        p_synthetic: In [0, 1], when the detector gives a probability.
        raw: The score before calibration and caps, where there is one: ranking metrics and calibration use it.
        verdict: A `Verdict` word at the detector's own threshold, empty without one.
        error: Why there is no score.
    """

    score: float | None = None
    p_synthetic: float | None = None
    verdict: str = ""
    error: str = ""
    raw: float | None = None

    @classmethod
    def of_probability(cls, p_synthetic: float, *, verdict: str = "") -> Prediction:
        """Return the prediction of a detector that says P(synthetic); its shipped threshold is 0.5 without a verdict.

        The score is the log-odds: the likelihood ratio that the probability claims at even prior odds.
        """
        p = float(p_synthetic)
        if not math.isfinite(p) or not 0.0 <= p <= 1.0:
            return cls(error=f"not a probability: {p}")
        edge = min(max(p, _EDGE), 1.0 - _EDGE)
        word = verdict or ("likely_synthetic" if p >= 0.5 else "likely_authentic")
        return cls(score=math.log(edge / (1.0 - edge)), p_synthetic=p, verdict=word)

    @classmethod
    def of_llr(cls, llr: float, *, verdict: str = "") -> Prediction:
        """Return the prediction of a detector that says a natural-log likelihood ratio."""
        llr = float(llr)
        if not math.isfinite(llr):
            return cls(error=f"score is not finite: {llr}")
        word = verdict or ("likely_synthetic" if llr >= 0.0 else "likely_authentic")
        p = 1.0 / (1.0 + math.exp(-llr)) if llr > -700 else 0.0
        return cls(score=llr, p_synthetic=p, verdict=word)

    @classmethod
    def of_answer(cls, answer: object) -> Prediction:
        """Return the prediction that a foreign function's answer means.

        A number is P(synthetic). A mapping is a Report (`authenticity`, `verdict`), or holds `p_synthetic`, `llr`, or
        an unbounded `score` (ranked, never read as calibrated), each with an optional `verdict`.
        """
        if isinstance(answer, Prediction):
            return answer
        if isinstance(answer, Mapping):
            return _of_mapping(answer)
        try:
            return cls.of_probability(float(answer))  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return cls(error=f"answer is neither a number nor a mapping: {str(answer)[:80]!r}")


def _of_mapping(answer: Mapping[str, Any]) -> Prediction:
    verdict = str(answer.get("verdict") or "")
    if answer.get("p_synthetic") is not None:
        return Prediction.of_probability(answer["p_synthetic"], verdict=verdict)
    if answer.get("authenticity") is not None:
        return Prediction.of_probability(1.0 - float(answer["authenticity"]), verdict=verdict)
    if answer.get("llr") is not None:
        return Prediction.of_llr(answer["llr"], verdict=verdict)
    if answer.get("score") is not None and math.isfinite(float(answer["score"])):
        return Prediction(score=float(answer["score"]), verdict=verdict)
    error = answer.get("error")
    message = error.get("message") if isinstance(error, Mapping) else error
    return Prediction(verdict=verdict, error=str(message or "no score in the answer"))


@runtime_checkable
class Detector(Protocol):
    """What the bench runs. `fingerprint` changes whenever the scores could: version, weights, settings."""

    @property
    def name(self) -> str:
        """Return the word for tables."""

    @property
    def fingerprint(self) -> str:
        """Return what a resumed run compares."""

    def predict_many(self, paths: Sequence[Path]) -> Iterator[Prediction]:
        """Yield one prediction a path, in order; a file that fails is a prediction with `error`, not an exception."""


def check_detectors(detectors: Sequence[Detector]) -> None:
    """Raise ConfigError when two detectors share a name: their rows could not be told apart."""
    names = [detector.name for detector in detectors]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"two detectors are called {', '.join(twice)}; give one another name with NAME=SPEC")

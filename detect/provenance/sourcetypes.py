"""Digital source types: the IPTC and C2PA vocabulary, accepted in every spelling that files use.

Vocabulary: IPTC NewsCodes "Digital Source Type" and c2pa.org/digitalsourcetype. Files write the full address with http
or https, the bare name, and any case.
"""

from __future__ import annotations

IPTC_BASE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
C2PA_BASE = "http://c2pa.org/digitalsourcetype/"

_IPTC_NAMES = [
    "digitalCapture",
    "computationalCapture",
    "compositeCapture",
    "negativeFilm",
    "positiveFilm",
    "print",
    "humanEdits",
    "minorHumanEdits",
    "digitalCreation",
    "digitalArt",
    "softwareImage",
    "dataDrivenMedia",
    "algorithmicMedia",
    "algorithmicallyEnhanced",
    "screenCapture",
    "virtualRecording",
    "composite",
    "compositeSynthetic",
    "compositeWithTrainedAlgorithmicMedia",
    "trainedAlgorithmicMedia",
]
_C2PA_NAMES = ("empty", "trainedAlgorithmicData")
_BY_LOWER_CASE = {name.lower(): name for name in (*_IPTC_NAMES, *_C2PA_NAMES)}

CAPTURE = frozenset({"digitalCapture", "computationalCapture"})
SCANNED = frozenset({"negativeFilm", "positiveFilm", "print"})
GENERATED = frozenset({"trainedAlgorithmicMedia"})
PARTLY_GENERATED = frozenset({"compositeWithTrainedAlgorithmicMedia", "compositeSynthetic"})
GENERATIVE_CHANGE = GENERATED | PARTLY_GENERATED | {"trainedAlgorithmicData"}
"""Source types that make a transformation a "perceptible GenAI" one (Asset Signals Rubric 1.0)."""

POSSIBLY_GENERATIVE_CHANGE = frozenset({"digitalArt", "composite"})
HUMAN_CREATION = frozenset({"digitalCreation", "digitalArt", "softwareImage", "humanEdits", "minorHumanEdits"})


def normalise(value: object) -> str | None:
    """Return the vocabulary's own spelling of a source type, or None when it is not one.

    Example:
        >>> normalise("HTTPS://cv.iptc.org/newscodes/digitalsourcetype/TrainedAlgorithmicMedia")
        'trainedAlgorithmicMedia'
    """
    if not isinstance(value, str):
        return None
    return _BY_LOWER_CASE.get(value.strip().rstrip("/").rsplit("/", 1)[-1].lower())

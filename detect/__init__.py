"""The library: bytes of a picture, clip or recording in, one explained score out.

    import detect

    report = detect.analyze("photo.jpg")
    report.verdict            # Verdict.INCONCLUSIVE
    report.authenticity       # 0.52
    report.reasons            # (Reason(code="pixels_undecided", text="..."), ...)

Importing is cheap: torch, timm and the readers load at first use.
"""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detect.analyzer import Analyzer, AnalyzerSettings, analyze, analyze_many
    from detect.errors import (
        ConfigError,
        CorruptMediaError,
        DecodeTimeoutError,
        EngineBusyError,
        EngineError,
        MediaError,
        MediaTooLargeError,
        MediaTooShortError,
        MediaUnreadableError,
        MissingExtraError,
        ModelError,
        ProvenanceError,
        UnknownModelError,
        UnsupportedMediaError,
        WeightsMismatchError,
        WitnessmarkError,
    )
    from detect.serialize import report_from_dict, report_to_dict
    from detect.types import Evidence, MediaKind, Report, Status, Verdict

try:
    __version__ = version("witnessmark")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

_HOME = {
    "detect.analyzer": ("Analyzer", "AnalyzerSettings", "analyze", "analyze_many"),
    "detect.errors": (
        "ConfigError",
        "CorruptMediaError",
        "DecodeTimeoutError",
        "EngineBusyError",
        "EngineError",
        "MediaError",
        "MediaTooLargeError",
        "MediaTooShortError",
        "MediaUnreadableError",
        "MissingExtraError",
        "ModelError",
        "ProvenanceError",
        "UnknownModelError",
        "UnsupportedMediaError",
        "WeightsMismatchError",
        "WitnessmarkError",
    ),
    "detect.serialize": ("report_from_dict", "report_to_dict"),
    "detect.types": ("Evidence", "MediaKind", "Report", "Status", "Verdict"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "Analyzer",
    "AnalyzerSettings",
    "ConfigError",
    "CorruptMediaError",
    "DecodeTimeoutError",
    "EngineBusyError",
    "EngineError",
    "Evidence",
    "MediaError",
    "MediaKind",
    "MediaTooLargeError",
    "MediaTooShortError",
    "MediaUnreadableError",
    "MissingExtraError",
    "ModelError",
    "ProvenanceError",
    "Report",
    "Status",
    "UnknownModelError",
    "UnsupportedMediaError",
    "Verdict",
    "WeightsMismatchError",
    "WitnessmarkError",
    "__version__",
    "analyze",
    "analyze_many",
    "report_from_dict",
    "report_to_dict",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module at first use, so that `import detect` stays cheap."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'detect' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

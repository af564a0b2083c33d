"""What an answer does not say and what was not checked, per file."""

from __future__ import annotations

from detect.analyzer.prepare import Prepared
from detect.analyzer.settings import AnalyzerSettings
from detect.fusion import reason
from detect.types import MediaKind, Reason

_COVERED = 0.95
_SMALL_SIDE = 256


def limits_of(file: Prepared, settings: AnalyzerSettings) -> tuple[Reason, ...]:
    """Return the limits of a file's answer, general ones first."""
    codes = ["not_a_truth_check", "authentic_can_mislead"]
    if file.image is not None:
        codes += ["unseen_generators", "local_edits_may_hide"]
        pixels = next((item for item in file.evidence if item.source == "image.pixels"), None)
        if pixels is not None and float(pixels.details.get("covered_share", 1.0)) < _COVERED:
            codes.append("partly_sampled")
        if min(file.image.pixels_rgb.shape[:2]) < _SMALL_SIDE:
            codes.append("small_picture")
        if not settings.check_stability:
            codes.append("stability_not_checked")
    elif file.audio is not None:
        codes.append("unseen_generators")
    if file.facts.kind is MediaKind.VIDEO:
        codes.append("frames_not_judged")
    if settings.read_provenance:
        codes += ["no_provenance_is_neutral", "proprietary_watermarks"]
    else:
        codes.append("provenance_not_read")
    return tuple(reason(code) for code in codes)

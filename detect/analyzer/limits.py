"""What an answer does not say and what was not checked, per file."""

from __future__ import annotations

from detect.analyzer.prepare import Prepared
from detect.analyzer.settings import AnalyzerSettings
from detect.fusion import reason
from detect.types import MediaKind, Reason

_COVERED = 0.95
_SMALL_SIDE = 256
_FEW_BITS = 0.03
"""Bits a pixel below which H.264 has smoothed most texture away; 720p at 25 frames a second and 700 kbit/s."""


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
    elif file.audio is not None or file.facts.kind is MediaKind.VIDEO:
        codes.append("unseen_generators")
    if file.facts.kind is MediaKind.VIDEO:
        codes += _of_clip(file, settings)
    if settings.plugins:
        codes.append("plugins_took_part")
    if settings.read_provenance:
        codes += ["no_provenance_is_neutral", "proprietary_watermarks"]
    else:
        codes.append("provenance_not_read")
    return tuple(reason(code) for code in codes)


def _of_clip(file: Prepared, settings: AnalyzerSettings) -> list[str]:
    """Return the limits of what the frames of a clip tell."""
    codes = ["short_stretches_may_hide"] if settings.dense else ["frames_sampled", "short_stretches_may_hide"]
    frames = next((item for item in file.evidence if item.source == "video.frames"), None)
    container = {} if frames is None else frames.details.get("container", {})
    area, fps = (file.facts.width or 0) * (file.facts.height or 0), file.facts.fps or 0.0
    if container and area * fps > 0 and float(container["bit_rate"]) / (area * fps) < _FEW_BITS:
        codes.append("strongly_compressed")
    return [*codes, "stability_not_checked"]

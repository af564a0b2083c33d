"""Invisible watermarks that can be read offline, a door for those whose models must be brought, and an honest list.

    detect.provenance.watermark.examine_image(pixels_rgb)                      # Stable Diffusion, SDXL and FLUX marks
    detect.provenance.watermark.examine_speech(waveform, sample_rate_hz)       # Perth (Chatterbox TTS)
    detect.provenance.watermark.examine_with_plugins(pixels_rgb, kind="image") # TrustMark, and your own

A mark that is found weighs heavily: clean media do not carry one by chance. A mark that is not found weighs exactly 0.
"""

from __future__ import annotations

from detect.provenance.watermark.dwtdct import examine_image
from detect.provenance.watermark.perth import examine_speech
from detect.provenance.watermark.plugins import (
    WATERMARK_PLUGINS,
    MarkReading,
    WatermarkPlugin,
    examine_with_plugins,
)
from detect.provenance.watermark.uncheckable import UncheckableMark, list_uncheckable

__all__ = [
    "WATERMARK_PLUGINS",
    "MarkReading",
    "UncheckableMark",
    "WatermarkPlugin",
    "examine_image",
    "examine_speech",
    "examine_with_plugins",
    "list_uncheckable",
]

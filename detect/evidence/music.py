"""The evidence `audio.music`: music is recognised and said not to be judged, with the measured reason."""

from __future__ import annotations

from detect.fusion import reason
from detect.types import Evidence, Status

SOURCE = "audio.music"


def examine(*, tonality: float) -> Evidence:
    """Return `not_applicable` for a recording that the gate called music, because no model of music can be trusted.

    Why, as measured: a linear probe on `voice_statistics` that learns generated music from one page (36 pieces) and
    real music from one collection finds 12 to 14 % of the pieces of two later generators; with the other collection
    it accuses 43 % of the real pieces that it did not hear. It learns collections, not synthesis, and the public data
    hold no third collection to tell the two apart.

    Args:
        tonality: What the gate measured, see `detect.networks.audio.tonality.measure_tonality`.
    """
    return Evidence(
        SOURCE,
        Status.NOT_APPLICABLE,
        reasons=(reason("music_not_judged"),),
        details={"kind": "music", "tonality": round(tonality, 3)},
    )

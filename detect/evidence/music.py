"""The evidence `audio.music`: music is recognised and said not to be judged, with the measured reason."""

from __future__ import annotations

from detect.evidence.activity import Activity
from detect.fusion import reason
from detect.types import Evidence, Status

SOURCE = "audio.music"


def examine(activity: Activity) -> Evidence:
    """Return `not_applicable`, because no model of music can be shown to hold.

    Why: the public training data hold one generator of music (36 clips of one page) against 76 real pieces of two
    collections. A split by repository then leaves either no generated or no unseen music, so nothing could be measured
    on music that training did not hear; a score without that is a guess.
    """
    return Evidence(
        SOURCE,
        Status.NOT_APPLICABLE,
        reasons=(reason("music_not_judged" if activity.kind == "music" else "audio_is_not_music"),),
        details={"kind": activity.kind, "tonality": round(activity.tonality, 3)},
    )

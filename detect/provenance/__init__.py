"""Where a file says it comes from: Content Credentials, unsigned marks, watermarks, known files.

    for evidence in detect.provenance.examine(Path("photo.jpg"), kind=MediaKind.IMAGE, format="jpeg"):
        print(evidence.source, evidence.llr, evidence.reasons[0].text)

Reads offline: no socket is opened unless the settings ask for it. Importing this package is cheap; c2pa and the
parsers load at first use. Absence of provenance weighs exactly 0.
"""

from __future__ import annotations

from detect.provenance.disclosures import disclosures
from detect.provenance.examine import examine, examine_pixels, examine_waveform
from detect.provenance.settings import ProvenanceSettings

__all__ = ["ProvenanceSettings", "disclosures", "examine", "examine_pixels", "examine_waveform"]

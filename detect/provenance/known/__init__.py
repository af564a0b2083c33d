"""Known files: a local index of fakes and originals that somebody has already checked.

    with KnownIndex(folder) as index:
        index.add(KnownFile(KnownLabel.FAKE, "hoax.jpg", sha256, source="fact check 12"), [hash_picture(pixels_rgb)])
        matches = index.match_pictures([hash_picture(other_rgb)])

Three keys: SHA-256 for the very same bytes, PDQ for pictures and key frames (survives re-encoding and resizing),
Chromaprint for sound. Nothing leaves the machine.
"""

from __future__ import annotations

from detect.provenance.known.evidence import examine_file, examine_pictures, examine_sound
from detect.provenance.known.index import KnownFile, KnownIndex, KnownLabel, KnownMatch
from detect.provenance.known.pictures import PictureHash, hash_picture
from detect.provenance.known.sounds import fingerprint_sound

__all__ = [
    "KnownFile",
    "KnownIndex",
    "KnownLabel",
    "KnownMatch",
    "PictureHash",
    "examine_file",
    "examine_pictures",
    "examine_sound",
    "fingerprint_sound",
    "hash_picture",
]

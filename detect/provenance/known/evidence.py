"""Evidence sources `known.file`, `known.picture` and `known.sound`: what the index says about a file.

The very same bytes as a known fake decide; the same bytes as a known original weigh like a signed capture. A picture
that only looks like a known fake weighs little, because the photograph that the fake was made from looks like it too;
one that looks like an original weighs nothing, because a manipulated copy does as well. The pointer is what counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from detect.provenance.known.index import KnownIndex, KnownLabel, KnownMatch
from detect.provenance.known.pictures import PictureHash
from detect.provenance.known.sounds import UInt32Array
from detect.provenance.text import clean
from detect.types import Evidence, Reason, Status

FILE_SOURCE, PICTURE_SOURCE, SOUND_SOURCE = "known.file", "known.picture", "known.sound"

FAKE_FLOOR = 0.99
FAKE_LLR = 4.595
ORIGINAL_LLR, ORIGINAL_FLOOR = -4.0, 0.02
LOOKALIKE_LLR = 2.0
_MAX_SHOWN = 10
_READ_BYTES = 2**20


def examine_file(path: Path, folder: Path) -> Evidence:
    """Return whether these very bytes are known.

    Raises:
        OSError: The path cannot be opened.
        ConfigError: There is no index in `folder`.
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while part := stream.read(_READ_BYTES):
            digest.update(part)
    with KnownIndex(folder, create=False) as index:
        match = index.match_bytes(digest.hexdigest())
    if match is None:
        return _unknown(FILE_SOURCE, "These bytes are not in the index of known files.")
    is_fake = match.file.label is KnownLabel.FAKE
    code = "known_fake" if is_fake else "known_original"
    return Evidence(
        FILE_SOURCE,
        Status.SCORED,
        llr=FAKE_LLR if is_fake else ORIGINAL_LLR,
        p_synthetic_floor=FAKE_FLOOR if is_fake else ORIGINAL_FLOOR,
        reasons=(Reason(code, f"The very same file is in the index as {_describe(match)}."),),
        details={"matches": [_facts(match)]},
    )


def examine_pictures(hashes: Sequence[PictureHash], folder: Path) -> Evidence:
    """Return whether the picture, or the key frames of a clip, look like known ones.

    Raises:
        ConfigError: There is no index in `folder`.
    """
    if not any(item.is_usable for item in hashes):
        return _unknown(PICTURE_SOURCE, "Too little detail for a perceptual hash.")
    with KnownIndex(folder, create=False) as index:
        return _lookalikes(PICTURE_SOURCE, index.match_pictures(hashes), "looks like")


def examine_sound(fingerprint: UInt32Array, folder: Path) -> Evidence:
    """Return whether the recording sounds like a known one.

    Raises:
        ConfigError: There is no index in `folder`.
    """
    with KnownIndex(folder, create=False) as index:
        return _lookalikes(SOUND_SOURCE, index.match_sound(fingerprint), "sounds like")


def _lookalikes(source: str, matches: Sequence[KnownMatch], verb: str) -> Evidence:
    if not matches:
        return _unknown(source, "Nothing like it is in the index of known files.")
    labels = {match.file.label for match in matches}
    details = {"matches": [_facts(match) for match in matches[:_MAX_SHOWN]]}
    reasons = [
        Reason(f"known_{match.file.label.value}_lookalike", f"It {verb} {_describe(match)}.")
        for match in matches[:_MAX_SHOWN]
    ]
    if len(labels) > 1:
        text = "Known fakes and known originals are both alike: compare them side by side."
        reasons.insert(0, Reason("conflict_known_files", text))
    llr = LOOKALIKE_LLR if labels == {KnownLabel.FAKE} else 0.0
    return Evidence(source, Status.SCORED, llr=llr, reasons=tuple(reasons), details=details)


def _describe(match: KnownMatch) -> str:
    said_by = f", {clean(match.file.source, max_characters=120)}" if match.file.source else ""
    return f"a known {match.file.label.value}: {clean(match.file.name, max_characters=120)}{said_by}"


def _facts(match: KnownMatch) -> dict[str, object]:
    return {
        "label": match.file.label.value,
        "name": clean(match.file.name),
        "sha256": match.file.sha256,
        "source": clean(match.file.source),
        "note": clean(match.file.note),
        "added_at": match.file.added_at,
        "how": match.how,
        "distance": match.distance,
        "share": round(match.share, 4),
    }


def _unknown(source: str, text: str) -> Evidence:
    return Evidence(source, Status.NOT_APPLICABLE, reasons=(Reason("not_in_index", text),))

"""Chromaprint, the fingerprint behind AcoustID, through pyacoustid and the system's libchromaprint.

One 32-bit number every 0.124 s. Two recordings are the same where, at one offset, few bits differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from detect.errors import MissingExtraError
from detect.provenance.sound import Waveform, length_of, mono_part

UInt32Array = npt.NDArray[np.uint32]

ITEM_S = 0.1238
"""Seconds between two numbers: 4096 samples at 11 025 Hz, two thirds overlapping."""

MIN_ITEMS = 24
"""Shortest overlap that counts, about three seconds beside the 2.6 s that the first number needs."""

MAX_BIT_ERROR = 0.20
"""Share of differing bits at which an overlap counts as the same; unrelated sound differs in about half."""

_CANDIDATE_OFFSETS = 5
_BLOCK = 1 << 20  # samples handed on at once


@dataclass(frozen=True)
class SoundOverlap:
    """Where two recordings agree: `offset_s` is the query's start within the stored one, negative when before it."""

    offset_s: float
    length_s: float
    bit_error: float


def fingerprint_sound(waveform: Waveform, sample_rate_hz: int) -> UInt32Array:
    """Return the fingerprint of (N,) or (channels, N) sound, float32 in [-1, 1] or int16; empty when it is too short.

    Raises:
        MissingExtraError: pyacoustid or the system's libchromaprint is missing.
    """
    chromaprint = _library()
    printer = chromaprint.Fingerprinter()
    printer.start(int(sample_rate_hz), 1)
    for start in range(0, length_of(waveform), _BLOCK):
        samples = np.clip(mono_part(waveform, start, start + _BLOCK), -1.0, 1.0)
        printer.feed(np.round(samples * 32767.0).astype("<i2").tobytes())
    numbers, _ = chromaprint.decode_fingerprint(printer.finish())
    return np.array(numbers, dtype=np.uint32)


def best_overlap(query: UInt32Array, stored: UInt32Array) -> SoundOverlap | None:
    """Return the best agreement of two fingerprints, or None when there is none.

    Offsets are proposed by numbers that both hold unchanged, so a stored recording that shares nothing costs one look.
    """
    if min(len(query), len(stored)) < MIN_ITEMS:
        return None
    found = (_compare(query, stored, offset) for offset in _offsets(query, stored))
    return min((item for item in found if item is not None), key=lambda item: item.bit_error, default=None)


def _offsets(query: UInt32Array, stored: UInt32Array) -> list[int]:
    order = np.argsort(stored, kind="stable")
    ranked = stored[order]
    low, high = np.searchsorted(ranked, query, "left"), np.searchsorted(ranked, query, "right")
    counts: dict[int, int] = {}
    for position, (start, end) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        for place in order[start : min(end, start + 16)].tolist():
            counts[place - position] = counts.get(place - position, 0) + 1
    return sorted(counts, key=lambda offset: -counts[offset])[:_CANDIDATE_OFFSETS]


def _compare(query: UInt32Array, stored: UInt32Array, offset: int) -> SoundOverlap | None:
    start = max(0, -offset)
    end = min(len(query), len(stored) - offset)
    if end - start < MIN_ITEMS:
        return None
    different = np.bitwise_xor(query[start:end], stored[start + offset : end + offset])
    error = float(np.unpackbits(different.view(np.uint8)).mean())
    if error > MAX_BIT_ERROR:
        return None
    return SoundOverlap(round(offset * ITEM_S, 2), round((end - start) * ITEM_S, 2), round(error, 4))


def _library() -> Any:
    try:
        import chromaprint
    except ImportError as error:
        raise MissingExtraError(
            "audio fingerprints need pip install 'witnessmark[known]' and the system's Chromaprint "
            "(Debian: libchromaprint1, macOS: brew install chromaprint)"
        ) from error
    return chromaprint

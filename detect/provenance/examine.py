"""One file in, one Evidence a reader out; what breaks inside a reader becomes Evidence that says so."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from detect.errors import MissingExtraError
from detect.provenance.settings import ProvenanceSettings
from detect.types import Evidence, MediaKind, Reason, Status, UInt8Array

if TYPE_CHECKING:
    from detect.provenance.sound import Waveform

_log = logging.getLogger(__name__)


def examine(
    path: Path, *, kind: MediaKind, format: str, settings: ProvenanceSettings | None = None
) -> tuple[Evidence, ...]:
    """Return what the file says about its own origin.

    Args:
        path: A readable file.
        kind: What the bytes are.
        format: The sniffed format in lower case, as in `MediaFacts.format`; never taken from the name.
        settings: None = the defaults, offline.

    Returns:
        `provenance.c2pa` and `provenance.metadata` always, in this order; then `watermark.stealth` for lossless
        pictures, and `known.*` when the settings name an index.

    Raises:
        OSError: The path cannot be opened. What the file holds never raises.
    """
    chosen = settings or ProvenanceSettings()
    with path.open("rb"):
        pass  # a missing or unreadable file is the caller's error, not a finding about its provenance
    credentials = _guard("provenance.c2pa", lambda: _credentials(path, format, chosen))
    metadata = _guard("provenance.metadata", lambda: _metadata(path, kind, format, chosen))
    found = [_with_conflicts(credentials, metadata), metadata]
    if kind is MediaKind.IMAGE and format in ("png", "apng", "webp"):
        found.append(_guard("watermark.stealth", lambda: _stealth(path, format)))
    if chosen.known_index is not None:
        index = chosen.known_index
        found.append(_guard("known.file", lambda: _known(path, index)))
    return tuple(found)


def examine_pixels(pixels_rgb: UInt8Array, *, settings: ProvenanceSettings | None = None) -> tuple[Evidence, ...]:
    """Return what needs decoded pixels: `watermark.dwtdct`, and `known.picture` when the settings name an index.

    Args:
        pixels_rgb: (H, W, 3) uint8 at native resolution.
        settings: None = the defaults.
    """
    from detect.provenance.watermark import examine_image

    found = [_guard("watermark.dwtdct", lambda: examine_image(pixels_rgb))]
    index = (settings or ProvenanceSettings()).known_index
    if index is not None:
        found.append(_guard("known.picture", lambda: _known_picture(pixels_rgb, index)))
    return tuple(found)


def examine_waveform(
    waveform: Waveform, sample_rate_hz: int, *, settings: ProvenanceSettings | None = None
) -> tuple[Evidence, ...]:
    """Return what needs decoded sound: `watermark.perth`, and `known.sound` when the settings name an index.

    Args:
        waveform: (N,) or (channels, N), float32 in [-1, 1] or int16.
        sample_rate_hz: Of `waveform`.
        settings: None = the defaults.
    """
    from detect.provenance.watermark import examine_speech

    found = [_guard("watermark.perth", lambda: examine_speech(waveform, sample_rate_hz))]
    index = (settings or ProvenanceSettings()).known_index
    if index is not None:
        found.append(_guard("known.sound", lambda: _known_sound(waveform, sample_rate_hz, index)))
    return tuple(found)


def _known_picture(pixels_rgb: UInt8Array, folder: Path) -> Evidence:
    from detect.provenance.known import examine_pictures, hash_picture

    return examine_pictures([hash_picture(pixels_rgb)], folder)


def _known_sound(waveform: Waveform, sample_rate_hz: int, folder: Path) -> Evidence:
    from detect.provenance.known import examine_sound, fingerprint_sound

    return examine_sound(fingerprint_sound(waveform, sample_rate_hz), folder)


def _credentials(path: Path, format: str, settings: ProvenanceSettings) -> Evidence:
    from detect.provenance.credentials import examine_credentials

    return examine_credentials(path, format=format, settings=settings)


def _metadata(path: Path, kind: MediaKind, format: str, settings: ProvenanceSettings) -> Evidence:
    from detect.provenance.metadata.evidence import examine_metadata

    return examine_metadata(path, kind=kind, format=format, settings=settings)


def _stealth(path: Path, format: str) -> Evidence:
    from detect.provenance.watermark.stealth import examine_stealth

    return examine_stealth(path, format=format)


def _known(path: Path, folder: Path) -> Evidence:
    from detect.provenance.known.evidence import examine_file

    return examine_file(path, folder)


def _with_conflicts(credentials: Evidence, metadata: Evidence) -> Evidence:
    """Return the credentials with one reason more a contradiction between them and the unsigned metadata."""
    from detect.provenance.conflicts import find_conflicts

    conflicts = find_conflicts(credentials, metadata)
    if not conflicts:
        return credentials
    details = {**credentials.details, "conflicts": [reason.code for reason in conflicts]}
    return replace(credentials, reasons=(*credentials.reasons, *conflicts), details=details)


def _guard(source: str, read: Callable[[], Evidence]) -> Evidence:
    """Return the reader's evidence, or evidence that it failed: one broken reader must not hide the others."""
    try:
        return read()
    except MissingExtraError as error:
        return Evidence(source, Status.UNAVAILABLE, reasons=(Reason("missing_extra", str(error)),))
    except Exception:
        _log.exception("%s failed", source)
        reason = Reason("reader_failed", "This reader broke on the file. That says nothing about its origin.")
        return Evidence(source, Status.FAILED, reasons=(reason,))

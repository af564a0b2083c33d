"""Everything that needs no network: open, sniff, read provenance, decode. Runs ahead of the model in threads."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import BinaryIO, TypeVar

from detect.analyzer.settings import AnalyzerSettings
from detect.errors import MediaError
from detect.media import MediaSource, open_source
from detect.text import clean_text
from detect.types import DecodedAudio, DecodedImage, Evidence, MediaFacts, MediaKind

T = TypeVar("T")
_WATERMARK_S = 16.0
"""Seconds searched for a voice generator's watermark: it repeats throughout what the generator made."""
FileLike = str | os.PathLike[str] | bytes | BinaryIO | MediaSource
"""What can be analyzed; a `MediaSource` stays open for the caller."""


@dataclass
class Prepared:
    """A file before the networks: facts, evidence so far and decoded media of one kind."""

    path: str
    facts: MediaFacts
    evidence: list[Evidence]
    image: DecodedImage | None = None
    audio: DecodedAudio | None = None
    timings_ms: dict[str, float] = field(default_factory=dict)

    def timed(self, stage: str, work: Callable[[], T]) -> T:
        """Run `work` and book its milliseconds under `stage`."""
        started = time.perf_counter()
        try:
            return work()
        finally:
            self.timings_ms[stage] = (time.perf_counter() - started) * 1000


Watch = Callable[[MediaSource, "Prepared"], None]
"""Judges the frames of a clip while its file is open: they are too many to hold."""


def prepare(
    file: FileLike,
    *,
    name: str | None,
    settings: AnalyzerSettings,
    opened: Callable[[MediaSource], None],
    watch: Watch,
) -> Prepared:
    """Open, read and decode one file.

    Args:
        file: What to open.
        name: What to call it when it has no path.
        settings: Every knob.
        opened: Called as soon as it is known what the file is.
        watch: Takes the frames of a clip as they come.

    Raises:
        MediaError: The file cannot be opened or decoded; the code says why.
    """
    started = time.perf_counter()
    with (
        nullcontext(file)
        if isinstance(file, MediaSource)
        else open_source(file, name=name, limits=settings.limits) as source
    ):
        opened(source)
        prepared = Prepared(shown_path(file) or clean_text(source.name, max_characters=255), source.facts(), [])
        prepared.timings_ms["open"] = (time.perf_counter() - started) * 1000
        if settings.read_provenance:
            prepared.timed("provenance", lambda: _read_provenance(prepared, source, settings))
        if source.kind is MediaKind.IMAGE:
            prepared.timed("decode", lambda: _decode_image(prepared, source, settings))
        elif source.kind is MediaKind.AUDIO:
            prepared.timed("decode", lambda: _decode_audio(prepared, source, settings))
        elif source.kind is MediaKind.VIDEO:
            _read_clip(prepared, source, settings, watch)
    return prepared


def shown_path(file: FileLike) -> str:
    """Return the path as given, cleaned for display; empty when the file has none."""
    return clean_text(os.fsdecode(file), max_characters=4096) if isinstance(file, str | os.PathLike) else ""


def _read_provenance(prepared: Prepared, source: MediaSource, settings: AnalyzerSettings) -> None:
    from detect import provenance

    prepared.evidence += provenance.examine(
        source.path, kind=source.kind, format=source.format, settings=settings.provenance
    )


def _decode_image(prepared: Prepared, source: MediaSource, settings: AnalyzerSettings) -> None:
    from detect.media.image import decode_image

    prepared.image = decode_image(source, limits=settings.limits)
    prepared.facts = prepared.image.facts
    if settings.read_provenance:
        from detect.provenance.watermark import examine_image

        prepared.evidence.append(examine_image(prepared.image.pixels_rgb))


def _read_clip(prepared: Prepared, source: MediaSource, settings: AnalyzerSettings, watch: Watch) -> None:
    """Watch the frames and decode the sound; what one of them lacks does not keep the other from being judged."""
    failure: MediaError | None = None
    try:
        prepared.timed("frames", lambda: watch(source, prepared))
    except MediaError as error:
        failure = error
    seen = prepared.facts
    try:
        prepared.timed("decode", lambda: _decode_audio(prepared, source, settings))
    except MediaError:
        if failure is not None:
            raise failure from None
    if prepared.audio is None and failure is not None:
        raise failure
    if failure is not None:
        from detect.analyzer.clip import failed_frames

        prepared.evidence.insert(0, failed_frames(failure))
    elif seen.width is not None:
        heard = prepared.audio.facts if prepared.audio is not None else None
        notes = seen.notes if heard is None else (*seen.notes, *(n for n in heard.notes if n.code != "sound_of_video"))
        prepared.facts = replace(
            seen,
            sample_rate_hz=heard.sample_rate_hz if heard else None,
            channels=heard.channels if heard else None,
            notes=tuple(dict.fromkeys(notes)),
        )


def _decode_audio(prepared: Prepared, source: MediaSource, settings: AnalyzerSettings) -> None:
    """Decode the sound."""
    from detect.media.audio import decode_audio

    prepared.audio = decode_audio(source, limits=settings.limits)
    prepared.facts = prepared.audio.facts
    if settings.read_provenance and source.kind is MediaKind.AUDIO:
        from detect.provenance.watermark import examine_speech

        head = prepared.audio.read(0.0, _WATERMARK_S)
        prepared.evidence.append(examine_speech(head, prepared.audio.sample_rate_hz))

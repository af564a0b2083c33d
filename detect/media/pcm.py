"""Stream any supported recording as blocks of 16 kHz samples: soundfile first, PyAV else, soxr for rates.

Runs inside the guarded child of `detect.media.audio`; call it directly only on files that you made yourself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from detect.errors import CorruptMediaError, MediaTooLargeError, MediaTooShortError, UnsupportedMediaError
from detect.types import Float32Array

SAMPLE_RATE_HZ = 16_000
"""Rate that everything is judged at: what wide-band telephony, voice notes and most corpora share."""

MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 768_000
"""Rates a header may state; below 4 kHz there is no speech band, above 768 kHz no converter."""

MAX_CHANNELS = 64
"""More channels than any broadcast layout; a header that states more is broken or hostile."""

BLOCK_FRAMES = 65_536
"""Frames read at once; bounds memory whatever the header claims."""

SOUNDFILE_FORMATS = frozenset({"wav", "flac", "ogg", "mp3", "aiff", "caf", "au", "w64", "rf64"})
"""Sniffed formats that libsndfile is tried for first: it is three times faster than a demuxer and exact."""

DEMUXERS = {
    "wav": "wav", "rf64": "wav", "w64": "w64", "flac": "flac", "ogg": "ogg", "opus": "ogg", "mp3": "mp3",
    "aac": "aac", "amr": "amr", "aiff": "aiff", "caf": "caf", "au": "au",
    "m4a": "mov", "mp4": "mov", "mov": "mov", "3gp": "mov", "webm": "matroska", "mkv": "matroska",
    "avi": "avi", "asf": "asf", "flv": "flv", "mpegts": "mpegts", "mpeg": "mpeg",
}  # fmt: skip
"""Sniffed format to the one demuxer that may open it, so that no playlist or concat script is ever followed."""


@dataclass(frozen=True)
class StreamFacts:
    """What the header of a sound track states: native rate in Hz, channel count, codec name."""

    sample_rate_hz: int
    channels: int
    codec: str


class Reader(Protocol):
    """An open sound track."""

    facts: StreamFacts

    def blocks(self) -> Iterator[Float32Array]:
        """Yield float32 blocks of shape (channels, frames) at the native rate."""
        ...

    def close(self) -> None:
        """Free the file."""
        ...


class _SoundfileReader:
    """WAV, FLAC, Ogg, MP3 and relatives through libsndfile."""

    def __init__(self, path: Path, name: str) -> None:
        import soundfile

        self._stream = path.open("rb")
        try:
            self._file: Any = soundfile.SoundFile(self._stream)
        except (soundfile.SoundFileError, ValueError, TypeError) as error:
            self._stream.close()
            raise CorruptMediaError(f"{name}: not readable as sound; re-export the recording") from error
        self.facts = StreamFacts(self._file.samplerate, self._file.channels, str(self._file.subtype).lower())

    def blocks(self) -> Iterator[Float32Array]:
        import soundfile

        while True:
            try:
                frames = self._file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, ValueError) as error:
                raise CorruptMediaError(f"the sound breaks off: {error}") from error
            if not len(frames):
                return
            yield np.ascontiguousarray(frames.T)

    def close(self) -> None:
        self._file.close()
        self._stream.close()


class _AvReader:
    """Everything that needs a demuxer: MP4/M4A, WebM, AMR, Opus, sound tracks of videos."""

    def __init__(self, path: Path, media_format: str, name: str) -> None:
        import av

        demuxer = DEMUXERS.get(media_format)
        if demuxer is None:
            raise UnsupportedMediaError(f"{name}: format {media_format!r} holds no sound that is read here")
        try:
            self._container: Any = av.open(str(path), format=demuxer, options={"protocol_whitelist": "file"})
        except (av.error.FFmpegError, ValueError, OSError) as error:
            raise CorruptMediaError(f"{name}: not readable as {media_format} ({_words(error)})") from error
        if not self._container.streams.audio:
            self._container.close()
            raise MediaTooShortError(f"{name}: holds no sound track")
        self._track = self._container.streams.audio[0]
        context = self._track.codec_context
        if context is None:
            self._container.close()
            raise UnsupportedMediaError(f"{name}: the codec of its sound is not read here")
        self.facts = StreamFacts(int(context.sample_rate or 0), int(context.channels or 0), str(context.name))

    def blocks(self) -> Iterator[Float32Array]:
        import av

        pending: list[Float32Array] = []
        count, broken, good = 0, 0, 0
        for packet in self._packets():
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                broken += 1
                continue
            for frame in frames:
                good += 1
                block = self._to_float(frame)
                pending.append(block)
                count += block.shape[1]
            if count >= BLOCK_FRAMES:
                yield np.concatenate(pending, axis=1)
                pending, count = [], 0
        if pending:
            yield np.concatenate(pending, axis=1)
        if not good and broken:
            raise CorruptMediaError(f"none of {broken} sound packets decodes; the file is damaged or protected")

    def _packets(self) -> Iterator[Any]:
        """Yield packets until the container ends or breaks."""
        import av

        packets = self._container.demux(self._track)
        while True:
            try:
                yield next(packets)
            except (StopIteration, av.error.FFmpegError):
                return

    def _to_float(self, frame: Any) -> Float32Array:
        """Return one frame as (channels, samples) float32; a change of layout in mid-file falls back to channel 0."""
        values = frame.to_ndarray()
        if not frame.format.is_planar:
            values = values.reshape(-1, frame.layout.nb_channels).T
        if values.dtype == np.uint8:
            values = (values.astype(np.float32) - 128.0) / 128.0
        elif np.issubdtype(values.dtype, np.integer):
            values = values.astype(np.float32) / float(np.iinfo(values.dtype).max + 1)
        values = np.asarray(values, dtype=np.float32)
        if values.shape[0] != self.facts.channels:
            values = np.repeat(values[:1], self.facts.channels, axis=0)
        return cast(Float32Array, values)

    def close(self) -> None:
        self._container.close()


def _words(error: Exception) -> str:
    """Return what a library says without the path that it adds."""
    return str(getattr(error, "strerror", None) or type(error).__name__)


def open_reader(path: Path, media_format: str, *, name: str | None = None) -> Reader:
    """Open the first sound track of a file.

    Args:
        path: A real, readable file.
        media_format: The sniffed format (`wav`, `mp4`, ...), never the suffix.
        name: What to call the file in errors instead of the path's last part.

    Raises:
        UnsupportedMediaError: No reader for that format.
        CorruptMediaError: The bytes do not decode, or the header states an impossible rate.
        MediaTooLargeError: More channels than `MAX_CHANNELS`.
        MediaTooShortError: No sound track.
    """
    name = name or path.name
    reader = _open(path, media_format, name)
    facts = reader.facts
    if not MIN_RATE_HZ <= facts.sample_rate_hz <= MAX_RATE_HZ or facts.channels < 1:
        reader.close()
        raise CorruptMediaError(
            f"{name}: states {facts.sample_rate_hz} Hz and {facts.channels} channels; "
            f"expected {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz and at least one channel"
        )
    if facts.channels > MAX_CHANNELS:
        reader.close()
        raise MediaTooLargeError(f"{name}: {facts.channels} channels, more than {MAX_CHANNELS}")
    return reader


def _open(path: Path, media_format: str, name: str) -> Reader:
    """Try libsndfile where it knows the format, else the demuxer."""
    if media_format in SOUNDFILE_FORMATS:
        try:
            return _SoundfileReader(path, name)
        except CorruptMediaError:
            if media_format not in DEMUXERS:
                raise
    return _AvReader(path, media_format, name)


@dataclass
class BlockNotes:
    """What the stream needed on the way: samples that were not finite, and how many there were in all."""

    bad_samples: int = 0
    samples: int = 0


def resample_blocks(reader: Reader, notes: BlockNotes, *, max_channels: int = 2) -> Iterator[Float32Array]:
    """Yield (channels, samples) float32 blocks at 16 kHz, non-finite samples as silence.

    Why at most two channels: beyond stereo they are mixes of the same voices, so all of them are averaged into one.
    """
    import soxr

    channels = reader.facts.channels
    kept = channels if channels <= max_channels else 1
    resampler: Any = None
    if reader.facts.sample_rate_hz != SAMPLE_RATE_HZ:
        resampler = soxr.ResampleStream(reader.facts.sample_rate_hz, SAMPLE_RATE_HZ, kept, dtype="float32")
    for block in reader.blocks():
        notes.samples += block.size
        if not np.isfinite(block).all():
            notes.bad_samples += int(block.size - np.isfinite(block).sum())
            block = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
        if kept != channels:
            block = block.mean(axis=0, keepdims=True)
        block = np.clip(block, -8.0, 8.0)
        yield block if resampler is None else _through(resampler, block, last=False)
    if resampler is not None:
        yield _through(resampler, np.zeros((kept, 0), np.float32), last=True)


def _through(resampler: Any, block: Float32Array, *, last: bool) -> Float32Array:
    """Push one block through the resampler."""
    values = resampler.resample_chunk(np.ascontiguousarray(block.T), last=last)
    return cast(Float32Array, np.ascontiguousarray(np.asarray(values, np.float32).reshape(-1, block.shape[0]).T))

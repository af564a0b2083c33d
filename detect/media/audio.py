"""A recording's bytes, or the sound track of a video, to 16 kHz samples, decoded in a guarded child process."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import IO, Any

import numpy as np

from detect.errors import CorruptMediaError, MediaTooLargeError, MediaTooShortError, UnsupportedMediaError
from detect.media.limits import DEFAULT_LIMITS, Limits
from detect.media.pcm import SAMPLE_RATE_HZ, BlockNotes, open_reader, resample_blocks
from detect.media.sandbox import SANDBOX
from detect.media.source import MediaSource
from detect.media.wire import Payload
from detect.types import DecodedAudio, Int16Array, MediaKind, Reason

READER = "detect.media.audio:read_blocks"
"""What runs in the child; `SANDBOX.warm(READER)` starts one early."""

MAX_DURATION_S = 6 * 3600.0
"""Longest recording that is judged; longer ones are cut by hand first."""

IN_MEMORY_BYTES = 48 * 1024 * 1024
"""Samples beyond this (25 minutes of one channel) go to a temporary file that is mapped, not loaded."""

SAME_VOICE_CORRELATION = 0.5
"""Stereo channels correlated above this hold one scene and are averaged; below it, each is a speaker of its own."""

TEXTS = {
    "samples_not_finite": "Some samples are not numbers; they were read as silence.",
    "clipped_to_full_scale": "Samples beyond full scale were clipped.",
    "channels_averaged": "The channels were averaged into one.",
    "channels_judged_apart": "The two channels hold different sound; each was judged.",
    "sound_of_video": "Judged is the sound track only.",
}


def decode_audio(source: MediaSource, *, limits: Limits = DEFAULT_LIMITS) -> DecodedAudio:
    """Return the first sound track of a file as 16-bit samples at 16 kHz, one or two channels.

    Two channels remain only when they hold different sound (a telephone call with a speaker on each); otherwise they
    are averaged. Long recordings lie in a temporary file, so that three hours cost 350 MB of disk and little memory.

    Args:
        source: An open source of kind `audio` or `video`.
        limits: Seconds and memory of the child, per block of sound.

    Raises:
        UnsupportedMediaError: Neither a recording nor a clip, or a codec that is not read here.
        CorruptMediaError: The sound does not decode, or its header states an impossible rate.
        MediaTooLargeError: Longer than `MAX_DURATION_S`, too many channels, or over `max_memory_bytes`.
        MediaTooShortError: No sound track, or no samples in it.
        DecodeTimeoutError: Over `decode_timeout_s` or `decode_cpu_s` for one block.

    Example:
        >>> with open_source("call.mp3") as source:              # doctest: +SKIP
        ...     decode_audio(source).waveform.shape
        (1, 9600000)
    """
    if source.kind not in (MediaKind.AUDIO, MediaKind.VIDEO):
        raise UnsupportedMediaError(f"{source.name} is {source.format}, not a recording or a clip")
    arguments = {"path": os.fspath(source.path), "media_format": source.format, "name": source.name}
    head, *notes, samples = _collect(SANDBOX.stream(READER, arguments, limits=limits), source.name)
    waveform, channel_note = _settle_channels(samples)
    codes = [*notes, *([channel_note] if channel_note else [])]
    if source.kind is MediaKind.VIDEO:
        codes.append("sound_of_video")
    facts = replace(
        source.facts(),
        duration_s=round(waveform.shape[1] / SAMPLE_RATE_HZ, 3),
        sample_rate_hz=int(head["sample_rate_hz"]),
        channels=int(head["channels"]),
        codec=str(head["codec"])[:40],
        notes=(*source.notes, *(Reason(code, TEXTS[code]) for code in codes)),
    )
    return DecodedAudio(waveform=waveform, sample_rate_hz=SAMPLE_RATE_HZ, facts=facts)


def read_blocks(path: str, media_format: str, name: str) -> Iterator[Payload]:
    """Yield, in the child: the header's facts, blocks of int16 samples (frames, channels), and closing facts."""
    from pathlib import Path

    reader = open_reader(Path(path), media_format, name=name)
    facts = reader.facts
    yield Payload({"sample_rate_hz": facts.sample_rate_hz, "channels": facts.channels, "codec": facts.codec})
    notes, peak = BlockNotes(), 0.0
    for block in resample_blocks(reader, notes):
        if block.size:
            peak = max(peak, float(np.abs(block).max()))
            pcm = np.round(np.clip(block, -1.0, 1.0) * 32767).astype(np.int16)
            yield Payload(arrays={"pcm": np.ascontiguousarray(pcm.T)})
    reader.close()
    yield Payload({"bad_samples": notes.bad_samples, "samples": notes.samples, "peak": min(peak, 8.0)})


def _collect(items: Iterator[Payload], name: str) -> tuple[Any, ...]:
    """Return (header facts, note codes ..., samples (frames, channels)) of what the child sends."""
    head: Mapping[str, Any] = next(items).facts
    tail: Mapping[str, Any] = {}
    spool = _Spool()
    frames, channels = 0, 1
    for item in items:
        if "pcm" not in item.arrays:
            tail = item.facts
            continue
        block = item.arrays["pcm"]
        frames, channels = frames + block.shape[0], block.shape[1]
        if frames > MAX_DURATION_S * SAMPLE_RATE_HZ:
            raise MediaTooLargeError(f"{name}: longer than {MAX_DURATION_S / 3600:.0f} hours; cut it first")
        spool.add(block)
    if not frames:
        raise MediaTooShortError(f"{name}: its sound track holds no samples")
    if tail.get("bad_samples", 0) > 0.5 * max(1, tail.get("samples", 1)):
        raise CorruptMediaError(f"{name}: most samples are not numbers; re-export the recording")
    notes = [code for code, is_set in (
        ("samples_not_finite", tail.get("bad_samples", 0) > 0), ("clipped_to_full_scale", tail.get("peak", 0) > 1.001)
    ) if is_set]  # fmt: skip
    return head, *notes, spool.finish(frames, channels)


class _Spool:
    """Blocks of samples: in memory while they are few, then in a temporary file that goes away by itself."""

    def __init__(self) -> None:
        self._blocks: list[Int16Array] = []
        self._bytes = 0
        self._file: IO[bytes] | None = None

    def add(self, block: Int16Array) -> None:
        """Keep one block of shape (frames, channels)."""
        self._blocks.append(block)
        self._bytes += block.nbytes
        if self._file is not None or self._bytes > IN_MEMORY_BYTES:
            self._file = self._file or tempfile.TemporaryFile()  # noqa: SIM115 - the array maps it
            for part in self._blocks:
                self._file.write(part.data)
            self._blocks.clear()

    def finish(self, frames: int, channels: int) -> Int16Array:
        """Return everything as one array (frames, channels), in memory or mapped read-only."""
        if self._file is None:
            return np.concatenate(self._blocks)
        with self._file as file:  # the map keeps a handle of its own
            file.flush()
            return np.memmap(file, dtype=np.int16, mode="r", shape=(frames, channels))


def _settle_channels(samples: Int16Array) -> tuple[Int16Array, str]:
    """Return (channels, samples) and a note code: two channels apart when they differ, else their average."""
    if samples.shape[1] == 1:
        return samples.T, ""
    if _correlation(samples) < SAME_VOICE_CORRELATION:
        return samples.T, "channels_judged_apart"
    mixed = np.empty((1, len(samples)), np.int16)
    for start in range(0, len(samples), 1 << 20):
        part = samples[start : start + (1 << 20)].astype(np.int32)
        mixed[0, start : start + len(part)] = part.sum(axis=1) // 2
    return mixed, "channels_averaged"


def _correlation(samples: Int16Array) -> float:
    """Return the correlation of two channels; 1 when one of them is silent, because there is one voice then."""
    sums = np.zeros((2, 2))
    for start in range(0, len(samples), 1 << 20):
        part = samples[start : start + (1 << 20)].astype(np.float64)
        sums += part.T @ part
    if min(sums[0, 0], sums[1, 1]) < 1e-3 * max(sums[0, 0], sums[1, 1], 1.0):
        return 1.0
    return float(sums[0, 1] / np.sqrt(sums[0, 0] * sums[1, 1]))

"""What is drawn from a stored file and its Report: heat map, report pages, sound; all in worker threads of a call."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

import detect
from api.blobs import BlobStore
from api.database import Analysis
from api.problems import ProblemError
from api.spectrogram import draw_spectrogram
from detect.errors import WitnessmarkError
from detect.media import open_source
from detect.media.audio import decode_audio
from detect.media.image import decode_image
from detect.render.audio import Sound, is_shown, judged_sound
from detect.render.clip import STILL_WIDTH
from detect.render.heatmap import HeatMapAnnotator
from detect.render.html import PageItem, format_page
from detect.render.pictures import shrink
from detect.types import DecodedAudio, HeatMap, MediaKind, Report, Status, UInt8Array

_MAX_SIDE = 1600
_MOST_STILLS = 24
SOUND_KINDS = (MediaKind.AUDIO, MediaKind.VIDEO)


def read_pixels(blobs: BlobStore, row: Analysis, report: Report) -> UInt8Array | None:
    """Return the upright picture of an analysis, shrunk for showing; None when it is none or has been erased."""
    if row.blob is None or report.media is None or report.media.kind is not MediaKind.IMAGE:
        return None
    try:
        with blobs.open(row.blob) as stream, open_source(stream, name=row.name) as source:
            return shrink(decode_image(source).pixels_rgb, max_side=_MAX_SIDE)
    except WitnessmarkError:
        return None


def read_stills(blobs: BlobStore, row: Analysis, report: Report) -> list[tuple[float, UInt8Array]]:
    """Return frames spread over a clip, (seconds, pixels); none when it is no clip or has been erased."""
    if row.blob is None or report.media is None or report.media.kind is not MediaKind.VIDEO:
        return []
    from detect.media.video import open_video

    try:
        with blobs.open(row.blob) as stream, open_source(stream, name=row.name) as source:
            stills = [(frame.time_s, shrink(frame.pixels_rgb, max_side=STILL_WIDTH)) for frame in open_video(source)]
    except WitnessmarkError:
        return []
    return stills[:: -(-len(stills) // _MOST_STILLS)] if stills else []


def read_sound(blobs: BlobStore, row: Analysis, report: Report) -> Sound | None:
    """Return the judged channel of a recording; None when it is none, very long, or has been erased."""
    if row.blob is None or not is_shown(report):
        return None
    try:
        with blobs.open(row.blob) as stream, open_source(stream, name=row.name) as source:
            return judged_sound(report, decode_audio(source))
    except WitnessmarkError:
        return None


def draw_heat_map(blobs: BlobStore, row: Analysis, report: Report, *, is_overlay: bool) -> bytes:
    """Return a PNG: the heat map over the picture, or alone and transparent when asked or when the picture is gone.

    Raises:
        ProblemError: 409, the report holds no heat map.
    """
    heat_map = next((item.where.heat_map for item in report.evidence if item.where.heat_map), None)
    if heat_map is None:
        raise ProblemError(409, "no_heat_map", "this report holds no heat map")
    pixels = None if is_overlay else read_pixels(blobs, row, report)
    if pixels is not None:
        return _png(HeatMapAnnotator(has_legend=True).annotate(pixels, heat_map))
    width, height = _shown_size(heat_map)
    return _png(HeatMapAnnotator(opacity=1.0).overlay(heat_map, width=width, height=height))


def draw_report(blobs: BlobStore, row: Analysis, report: Report) -> str:
    """Return the self-contained HTML report."""
    item = PageItem(
        report, read_pixels(blobs, row, report), read_stills(blobs, row, report), read_sound(blobs, row, report)
    )
    return format_page([item], count=1, title=f"Witnessmark {row.id}", made_at=datetime.now(UTC), version=_version())


def has_sound(report: Report) -> bool:
    """Say whether there is something to hear: in a recording always, in a clip when its sound was looked at."""
    if report.media is None or report.media.kind not in SOUND_KINDS:
        return False
    heard = (Status.SCORED, Status.NOT_APPLICABLE)
    is_looked_at = any(item.source.startswith("audio.") and item.status in heard for item in report.evidence)
    return report.media.kind is MediaKind.AUDIO or is_looked_at


@contextlib.contextmanager
def opened_sound(blobs: BlobStore, row: Analysis, report: Report) -> Iterator[DecodedAudio]:
    """Decode the recording as it is judged.

    Raises:
        ProblemError: 409, it holds no sound; 410, the file has been erased.
    """
    if report.media is None or report.media.kind not in SOUND_KINDS:
        raise ProblemError(409, "no_sound", "this file is no recording and no clip")
    if row.blob is None:
        raise ProblemError(410, "erased", "the file has been erased; only its report is left")
    with blobs.open(row.blob) as stream, open_source(stream, name=row.name) as source:
        yield decode_audio(source)


def draw_sound(blobs: BlobStore, row: Analysis, report: Report) -> bytes:
    """Return the spectrogram as PNG; see `opened_sound`."""
    with opened_sound(blobs, row, report) as sound:
        return draw_spectrogram(sound.waveform)


def write_sound(blobs: BlobStore, row: Analysis, report: Report) -> Path:
    """Write the recording to a temporary 16-bit WAV of one channel, made anew from samples, a minute at a time.

    No byte of the upload is served. The caller deletes the file.
    """
    with opened_sound(blobs, row, report) as sound:
        descriptor, name = tempfile.mkstemp(prefix="witnessmark-", suffix=".wav")
        os.close(descriptor)
        try:
            with soundfile.SoundFile(name, "w", sound.sample_rate_hz, 1, "PCM_16") as sink:
                step = 60 * sound.sample_rate_hz
                for start in range(0, sound.waveform.shape[1], step):
                    mono = sound.waveform[:, start : start + step].mean(axis=0)
                    sink.write(np.round(mono).astype(np.int16))
        except BaseException:
            os.unlink(name)
            raise
    return Path(name)


def _shown_size(heat_map: HeatMap) -> tuple[int, int]:
    factor = min(1.0, _MAX_SIDE / max(heat_map.width, heat_map.height))
    return max(1, round(heat_map.width * factor)), max(1, round(heat_map.height * factor))


def _png(pixels: UInt8Array) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG")
    return sink.getvalue()


def _version() -> str:
    return detect.__version__

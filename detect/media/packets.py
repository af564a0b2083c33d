"""The first pass over a clip: opens the container, and reads the times and sizes of its packets without decoding any.

Runs inside the guarded child of `detect.media.video`. Only the file itself is opened: playlists and protocols have no
demuxer here, and decoders that are not listed do not run.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detect.errors import CorruptMediaError, MediaTooLargeError, MediaTooShortError, UnsupportedMediaError
from detect.media.sampling import Plan, plan_samples, repair_times

DEMUXERS = {
    "mp4": "mov", "mov": "mov", "3gp": "mov", "webm": "matroska", "mkv": "matroska", "avi": "avi", "asf": "asf",
    "flv": "flv", "mpegts": "mpegts", "mpeg": "mpeg", "gif": "gif", "ogg": "ogg",
}  # fmt: skip
"""Sniffed format to the one demuxer that may open it: a playlist has none, whatever it is called."""

CODECS = frozenset({
    "h264", "hevc", "av1", "libdav1d", "libaom-av1", "vp8", "vp9", "libvpx", "libvpx-vp9", "mpeg4", "mpeg2video",
    "mpeg1video", "mpegvideo", "msmpeg4v1", "msmpeg4v2", "msmpeg4", "wmv1", "wmv2", "wmv3", "vc1", "h263", "flv",
    "mjpeg", "gif", "prores", "dnxhd", "theora", "ffv1", "rawvideo", "huffyuv", "ffvhuff", "svq3", "cinepak", "dvvideo",
    "utvideo", "qtrle", "png",
})  # fmt: skip
"""Decoders that may run; the rest are exotic, and their code has seen less hostile input."""

MAX_PACKETS = 3_000_000
"""More packets than 12 hours at 60 frames a second: the file is cut by hand first."""

MAX_FRAME_PIXELS = 36_000_000
"""8192 x 4320; larger frames are refused before memory is spent."""

MIN_SIDE = 16
"""Frames with a shorter side hold nothing to judge."""

PACKET_HEARTBEAT = 20_000


@dataclass
class Index:
    """What the first pass saw."""

    stamps: list[float | None] = field(default_factory=list)
    is_key: list[bool] = field(default_factory=list)
    bytes: int = 0
    is_cut_short: bool = False


def open_container(stream: io.BufferedReader, media_format: str, name: str) -> Any:
    """Open the file with the one demuxer of its sniffed format.

    Raises:
        UnsupportedMediaError: No video of that format is read here.
        CorruptMediaError: The demuxer does not take it.
    """
    import av

    demuxer = DEMUXERS.get(media_format)
    if demuxer is None:
        raise UnsupportedMediaError(f"{name}: format {media_format!r} holds no video that is read here")
    try:
        return av.open(stream, format=demuxer, options={"protocol_whitelist": "", "enable_drefs": "0"})
    except (av.error.FFmpegError, ValueError, OSError) as error:
        words = str(error).split(";")[0].split(":")[0]
        raise CorruptMediaError(f"{name}: not readable as {media_format} ({words}); get the original") from error


def pick_track(container: Any, name: str) -> Any:
    """Return the first video track that is no cover picture, checked.

    Raises:
        MediaError: There is none, its codec may not run, or its frames are too large or too small.
    """
    tracks = [track for track in container.streams.video if "attached_pic" not in str(track.disposition)]
    if not tracks:
        raise MediaTooShortError(f"{name}: holds no video track")
    track = tracks[0]
    context = track.codec_context
    if context is None:
        raise UnsupportedMediaError(f"{name}: its video is encrypted or of a codec that is not known")
    if context.name not in CODECS:
        raise UnsupportedMediaError(f"{name}: the video codec {str(context.name)[:40]} is not read here")
    check_size(int(context.width or 0), int(context.height or 0), name, is_known=False)
    context.thread_type = "AUTO"
    context.thread_count = 2
    return track


def check_size(width: int, height: int, name: str, *, is_known: bool = True) -> None:
    """Refuse frames that are too large or too small; a size of 0 in a header is not known yet.

    Raises:
        MediaTooLargeError: Over `MAX_FRAME_PIXELS`.
        MediaTooShortError: Under `MIN_SIDE`.
    """
    if width * height > MAX_FRAME_PIXELS:
        raise MediaTooLargeError(f"{name}: frames of {width} x {height} pixels; at most 8192 x 4320 are read")
    if (is_known or width * height > 0) and min(width, height) < MIN_SIDE:
        raise MediaTooShortError(f"{name}: frames of {width} x {height} pixels are too small to judge")


def scan_packets(container: Any, track: Any, index: Index) -> Iterator[int]:
    """Fill the index from the packets, yielding signs of life.

    Raises:
        MediaTooLargeError: More than `MAX_PACKETS`.
    """
    import av

    packets = container.demux(track)
    base = float(track.time_base or 0) or 1 / 90_000
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.FFmpegError:
            index.is_cut_short = True
            return
        if not packet.size:
            continue
        stamp = packet.pts if packet.pts is not None else packet.dts
        index.stamps.append(None if stamp is None else stamp * base)
        index.is_key.append(bool(packet.is_keyframe))
        index.bytes += packet.size
        if len(index.stamps) > MAX_PACKETS:
            raise MediaTooLargeError(f"more than {MAX_PACKETS} frames; cut the clip first")
        if len(index.stamps) % PACKET_HEARTBEAT == 0:
            yield len(index.stamps)


def describe(container: Any, track: Any, index: Index, dense: bool) -> tuple[dict[str, Any], Plan, Any]:
    """Return JSON-ready facts, the plan and the packets' times."""
    context = track.codec_context
    stated = float(track.average_rate or 0) or float(track.guessed_rate or 0)
    stated = stated if 0.01 <= stated <= 1000 else 0.0
    times, is_made = repair_times(index.stamps, fps=stated or 25.0)
    count = len(times)
    gaps = np.diff(np.sort(times))
    gaps = gaps[gaps > 0]
    step = float(np.median(gaps)) if len(gaps) else 1 / (stated or 25.0)
    duration = float(times.max() - times.min()) + step
    is_variable = len(gaps) > 4 and float(np.mean(np.abs(gaps - step) > 0.2 * step)) > 0.05
    width, height = int(context.width or 0), int(context.height or 0)
    plan = plan_samples(times, np.array(index.is_key), frame_pixels=max(1, width * height), dense=dense)
    facts = {
        "width": width,
        "height": height,
        "codec": str(context.name)[:40],
        "pixel_format": str(context.pix_fmt or "")[:40],
        "fps": round((count - 1) / (duration - step), 3) if duration > step else round(1 / step, 3),
        "stated_fps": round(stated, 3),
        "duration_s": round(duration, 3),
        "start_s": round(float(times.min()), 3),
        "frames": count,
        "stated_frames": int(track.frames or 0),
        "key_frames": int(sum(index.is_key)),
        "bit_rate": round(index.bytes * 8 / duration),
        "container": str(container.format.name)[:60],
        "audio_tracks": len(container.streams.audio),
        "video_tracks": len(container.streams.video),
        "tags": {
            str(key)[:40]: str(value)[:200]
            for key, value in list({**container.metadata, **track.metadata}.items())[:20]
        },
        "is_full": plan.is_full,
        "targets": len(plan.targets_s),
        "is_dense": dense,
        "times_made": is_made,
        "is_variable_rate": bool(is_variable),
        "is_cut_short": index.is_cut_short,
    }
    return facts, plan, times

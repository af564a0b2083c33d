"""Read sampled frames of a clip with PyAV: sequential, constant memory, nothing but the file itself is opened.

Runs inside the guarded child of `detect.media.video`. Two passes over the packets: the first one only reads their
times and sizes, the second one decodes what the plan asks for, always from a key frame on, never after a seek (frames
after a seek come out green or torn in many files).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from detect.errors import CorruptMediaError, MediaTooLargeError, MediaTooShortError, UnsupportedMediaError
from detect.media.hdr import is_hdr, to_sdr
from detect.media.sampling import Plan, Unroller, plan_samples, repair_times
from detect.media.wire import Payload
from detect.types import UInt8Array

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

HEARTBEAT = 64
"""Decoded frames between two signs of life, so that the clock of the guard counts work and not length."""

PACKET_HEARTBEAT = 20_000

SCENE_DIFFERENCE = 28.0
"""Mean absolute change of brightness (grey levels) between neighbouring frames that counts as a cut."""

MOST_SCENE_SAMPLES = 24


@dataclass
class Index:
    """What the first pass saw."""

    stamps: list[float | None] = field(default_factory=list)
    is_key: list[bool] = field(default_factory=list)
    bytes: int = 0
    is_cut_short: bool = False


def read_video(path: str, media_format: str, name: str, dense: bool) -> Iterator[Payload]:
    """Yield facts, then sampled frames as `pixels_rgb` (H, W, 3) uint8, then closing notes."""
    with Path(path).open("rb") as stream:
        with _open(stream, media_format, name) as container:
            track = _pick_track(container, name)
            index = Index()
            for count in _scan(container, track, index):
                yield Payload({"progress": count})
            if not index.stamps:
                raise CorruptMediaError(f"{name}: its video track holds no frames; the file is cut short or damaged")
            facts, plan, times = _describe(container, track, index, dense)
        yield Payload({"facts": facts})
        stream.seek(0)
        with _open(stream, media_format, name) as container:
            track = _pick_track(container, name)
            yield from _Decoder(container, track, plan, times, bool(facts["times_made"]), name).run()


def _open(stream: io.BufferedReader, media_format: str, name: str) -> Any:
    import av

    demuxer = DEMUXERS.get(media_format)
    if demuxer is None:
        raise UnsupportedMediaError(f"{name}: format {media_format!r} holds no video that is read here")
    try:
        return av.open(stream, format=demuxer, options={"protocol_whitelist": "", "enable_drefs": "0"})
    except (av.error.FFmpegError, ValueError, OSError) as error:
        words = str(error).split(";")[0].split(":")[0]
        raise CorruptMediaError(f"{name}: not readable as {media_format} ({words}); get the original") from error


def _pick_track(container: Any, name: str) -> Any:
    """Return the first video track that is no cover picture, checked."""
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


def _scan(container: Any, track: Any, index: Index) -> Iterator[int]:
    """Fill the index from the packets, yielding signs of life."""
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


def _describe(container: Any, track: Any, index: Index, dense: bool) -> tuple[dict[str, Any], Plan, Any]:
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


class _Decoder:
    """The second pass: feeds packets, picks frames, counts what went wrong."""

    def __init__(self, container: Any, track: Any, plan: Plan, times: Any, is_made: bool, name: str) -> None:
        self.container, self.track, self.plan, self.times, self.is_made, self.name = (
            container, track, plan, times, is_made, name,
        )  # fmt: skip
        self.base = float(track.time_base or 0) or 1 / 90_000
        self.unroll = Unroller(1 / max(1e-3, self._rate()))
        self.next_target = 0
        self.decoded = self.broken = self.sent = self.scene_samples = 0
        self.last_tiny: Any = None
        self.last_time = -1.0
        self.pending_scene = -1
        self.sizes: set[tuple[int, int]] = set()
        self.notes: set[str] = set()

    def run(self) -> Iterator[Payload]:
        """Yield sampled frames and signs of life, then the closing notes."""
        last: Any = None
        for first, frames in self._decoded_runs():
            for frame in frames:
                moment = self._time_of(frame, first)
                self.decoded += 1
                last = (frame, moment)
                if (why := self._wants(frame, moment)) is not None:
                    yield self._send(frame, moment, why)
                elif self.decoded % HEARTBEAT == 0:
                    yield Payload({"progress": self.decoded})
        if not self.decoded:
            raise CorruptMediaError(
                f"{self.name}: none of its {self.broken} broken packets decodes; the file is damaged or protected"
            )
        if not self.sent and last is not None:
            frame, moment = last
            yield self._send(frame, moment, "last")
        if len(self.sizes) > 1:
            self.notes.add("resolution_changes")
        yield Payload({"decoded": self.decoded, "broken": self.broken, "notes": sorted(self.notes)})

    def _decoded_runs(self) -> Iterator[tuple[int, Iterator[Any]]]:
        """Yield (index of the first packet, decoded frames) of each run; one run when everything is decoded."""
        packets = self._packets()
        if self.plan.is_full:
            yield 0, self._feed(packet for _, packet in packets)
            return
        runs = iter(self.plan.runs)
        run = next(runs, None)
        batch: list[Any] = []
        for number, packet in packets:
            if run is None:
                return
            first, length = run
            if first <= number < first + length:
                batch.append(packet)
            if number >= first + length - 1:
                yield first, self._feed(iter(batch))
                self.track.codec_context.flush_buffers()
                batch, run = [], next(runs, None)
                if run is not None and run[0] <= number:  # overlapping runs never happen, but must not stall
                    run = next(runs, None)
        if batch:
            yield run[0] if run else 0, self._feed(iter(batch))

    def _packets(self) -> Iterator[tuple[int, Any]]:
        import av

        packets = self.container.demux(self.track)
        number = 0
        while True:
            try:
                packet = next(packets)
            except (StopIteration, av.error.FFmpegError):
                return
            if packet.size:
                yield number, packet
                number += 1

    def _feed(self, packets: Iterator[Any]) -> Iterator[Any]:
        """Decode packets in order and flush; a broken packet is counted and passed over."""
        import av

        context = self.track.codec_context
        for packet in packets:
            try:
                yield from context.decode(packet)
            except av.error.FFmpegError:
                self.broken += 1
        try:
            yield from context.decode(None)
        except (av.error.FFmpegError, EOFError):
            self.broken += 1

    def _time_of(self, frame: Any, first: int) -> float:
        """Return the presentation time of a frame in seconds from the clip's start; never falls."""
        start = float(self.times.min())
        if self.is_made or frame.pts is None:
            if self.plan.is_full:
                moment = self.decoded / max(1e-3, self._rate())
            else:
                moment = max(float(self.times[first]) - start, self.last_time + 1 / max(1e-3, self._rate()))
        else:
            moment = self.unroll(frame.pts * self.base) - start
        self.last_time = max(self.last_time, moment)
        return moment

    def _rate(self) -> float:
        span = float(self.times.max() - self.times.min())
        return (len(self.times) - 1) / span if span > 0 else 25.0

    def _wants(self, frame: Any, moment: float) -> str | None:
        """Return why a frame is sampled: `target`, `scene`, or None."""
        is_cut = self.plan.is_full and self._is_cut(frame)
        targets, start = self.plan.targets_s, float(self.times.min())
        if self.next_target < len(targets) and moment >= targets[self.next_target] - start - 1e-6:
            while self.next_target < len(targets) and moment >= targets[self.next_target] - start - 1e-6:
                self.next_target += 1
            self.pending_scene = -1
            return "target"
        if is_cut:
            self.pending_scene = self.decoded + 2  # not the first frame of a scene: encoders starve it of bits
        if self.pending_scene == self.decoded and self.scene_samples < MOST_SCENE_SAMPLES:
            self.scene_samples += 1
            self.pending_scene = -1
            return "scene"
        return None

    def _is_cut(self, frame: Any) -> bool:
        """Return whether this frame looks unlike the one before it."""
        plane = frame.planes[0]
        if frame.format.name not in ("yuv420p", "yuvj420p", "yuv422p", "yuv444p", "nv12", "gray"):
            return False
        values = np.frombuffer(plane, np.uint8)[: plane.line_size * frame.height]
        tiny = values.reshape(frame.height, plane.line_size)[::16, : frame.width : 16].astype(np.int16)
        before, self.last_tiny = self.last_tiny, tiny
        if before is None or before.shape != tiny.shape:
            return False
        return float(np.abs(tiny - before).mean()) > SCENE_DIFFERENCE

    def _send(self, frame: Any, moment: float, why: str) -> Payload:
        check_size(frame.width, frame.height, self.name)
        self.sizes.add((frame.width, frame.height))
        if bool(getattr(frame, "interlaced_frame", False)):
            self.notes.add("interlaced")
        if is_hdr(frame):
            self.notes.add("hdr_to_sdr")
            pixels = to_sdr(frame)
        else:
            pixels = frame.reformat(format="rgb24", threads=1).to_ndarray()
        rotation = int(getattr(frame, "rotation", 0) or 0) % 360
        if rotation:
            self.notes.add("turned_upright")
            pixels = turn(pixels, rotation)
        self.sent += 1
        facts = {"time_s": round(max(0.0, moment), 4), "why": why, "is_key": bool(frame.key_frame)}
        return Payload(facts, {"pixels_rgb": np.ascontiguousarray(pixels)})


def turn(pixels: UInt8Array, degrees: int) -> UInt8Array:
    """Return a frame turned counter-clockwise by the nearest quarter, as the display matrix asks."""
    return np.ascontiguousarray(np.rot90(pixels, round(degrees / 90) % 4))

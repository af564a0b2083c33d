"""Read sampled frames of a clip with PyAV: sequential, constant memory, nothing but the file itself is opened.

Runs inside the guarded child of `detect.media.video`. Two passes over the packets: `detect.media.packets` only reads
their times and sizes, then what the plan asks for is decoded here, always from a key frame on, never after a seek
(frames after a seek come out green or torn in many files).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from detect.errors import CorruptMediaError
from detect.media.hdr import is_hdr, to_sdr
from detect.media.packets import Index, check_size, describe, open_container, pick_track, scan_packets
from detect.media.sampling import Plan, Unroller
from detect.media.wire import Payload
from detect.types import UInt8Array

HEARTBEAT = 64
"""Decoded frames between two signs of life, so that the clock of the guard counts work and not length."""

SCENE_DIFFERENCE = 28.0
"""Mean absolute change of brightness (grey levels) between neighbouring frames that counts as a cut."""

MOST_SCENE_SAMPLES = 24


def read_video(path: str, media_format: str, name: str, dense: bool) -> Iterator[Payload]:
    """Yield facts, then sampled frames as `pixels_rgb` (H, W, 3) uint8, then closing notes."""
    with Path(path).open("rb") as stream:
        with open_container(stream, media_format, name) as container:
            track = pick_track(container, name)
            index = Index()
            for count in scan_packets(container, track, index):
                yield Payload({"progress": count})
            if not index.stamps:
                raise CorruptMediaError(f"{name}: its video track holds no frames; the file is cut short or damaged")
            facts, plan, times = describe(container, track, index, dense)
        yield Payload({"facts": facts})
        stream.seek(0)
        with open_container(stream, media_format, name) as container:
            track = pick_track(container, name)
            yield from _Decoder(container, track, plan, times, bool(facts["times_made"]), name).run()


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

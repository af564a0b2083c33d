"""Clips that are broken, lie about themselves, or point elsewhere: named errors in bounded time."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from detect.errors import CorruptMediaError, MediaError, MediaTooLargeError, MediaTooShortError, UnsupportedMediaError
from detect.media import open_source
from detect.media.frames import read_video
from detect.media.packets import check_size
from detect.media.video import SampledFrame, VideoStream, open_video
from tests.unit.media.clips import make_clip


@pytest.fixture(autouse=True)
def nothing_takes_long() -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < 60


def read(content: bytes) -> tuple[VideoStream, list[SampledFrame]]:
    with open_source(content) as source:
        stream = open_video(source)
        return stream, list(stream)


@pytest.fixture(scope="module")
def clip() -> bytes:
    return make_clip(frames=60)


def test_a_playlist_named_mp4_is_refused(tmp_path: Path, clip: bytes) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(clip)
    playlist = tmp_path / "clip.mp4"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{secret}\n#EXT-X-ENDLIST\n")
    with pytest.raises(UnsupportedMediaError, match="playlist"):
        open_source(playlist)


def test_a_playlist_is_not_followed_even_by_the_reader_itself(tmp_path: Path, clip: bytes) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(clip)
    playlist = tmp_path / "clip.mp4"
    playlist.write_text(f"#EXTM3U\n#EXTINF:10,\nfile://{secret}\n")
    for media_format in ("mp4", "mpegts", "webm", "avi"):
        with pytest.raises(MediaError):
            list(read_video(str(playlist), media_format, "clip.mp4", False))


def test_an_unknown_container_is_refused() -> None:
    with pytest.raises(UnsupportedMediaError):
        list(read_video("/dev/null", "hls", "clip", False))


@pytest.mark.parametrize("share", [0.4, 0.7, 0.95])
def test_a_cut_stream_is_judged_as_far_as_it_goes(share: float) -> None:
    content = make_clip(frames=60, container="matroska")
    stream, frames = read(content[: int(share * len(content))])
    assert frames and stream.facts.duration_s is not None and stream.facts.duration_s < 3.0


def test_an_mp4_cut_before_its_index_is_named_corrupt(clip: bytes) -> None:
    with pytest.raises(CorruptMediaError):
        read(clip[: len(clip) // 2])


def test_a_clip_without_video_is_too_short(tmp_path: Path) -> None:
    import av

    sink = io.BytesIO()
    with av.open(sink, "w", format="matroska") as out:
        track = out.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16_000, 0
        out.mux(track.encode(frame))
        out.mux(track.encode(None))
    path = tmp_path / "sound.mkv"
    path.write_bytes(sink.getvalue())
    with pytest.raises(MediaTooShortError, match="no video"):
        list(read_video(str(path), "mkv", "sound.mkv", False))


def test_broken_packets_are_passed_over(clip: bytes) -> None:
    start = clip.index(b"mdat") + 4
    damaged = bytearray(clip)
    rng = np.random.default_rng(1)
    for at in rng.integers(start + 3000, len(damaged) - 4000, 60):
        damaged[at] ^= 0xFF
    frames = read(bytes(damaged))[1]
    assert len(frames) >= 8


def test_declared_frames_are_not_believed(clip: bytes) -> None:
    lied = bytearray(clip)
    at = lied.index(b"stsz") + 12
    lied[at : at + 4] = (10**9).to_bytes(4, "big")
    with pytest.raises(MediaError):
        read(bytes(lied))


def test_a_rate_of_zero_is_replaced() -> None:
    content = bytearray(make_clip(container="avi", codec="mpeg4"))
    at = content.index(b"strh") + 8 + 20  # dwScale, dwRate
    content[at : at + 8] = bytes(8)
    try:
        stream, frames = read(bytes(content))
    except MediaError:
        return
    assert frames and stream.facts.fps is not None and stream.facts.fps > 0


def test_an_encrypted_track_is_named() -> None:
    content = make_clip()
    assert content.count(b"avc1") >= 1
    at = content.rindex(b"avc1")
    protected = content[:at] + b"encv" + content[at + 4 :]
    with pytest.raises(MediaError):
        read(protected)


def test_frames_that_change_size_are_noted() -> None:
    first, second = (make_clip(frames=20, container="mpegts", size=size) for size in ((128, 96), (192, 128)))
    stream, frames = read(first + second)
    assert {frame.pixels_rgb.shape[:2] for frame in frames} == {(96, 128), (128, 192)}
    assert "resolution_changes" in {note.code for note in stream.facts.notes}


@pytest.mark.parametrize(
    ("size", "error"),
    [((9000, 5000), MediaTooLargeError), ((8, 400), MediaTooShortError), ((10**5, 10**5), MediaTooLargeError)],
)
def test_sizes_outside_the_limits_are_named(size: tuple[int, int], error: type[MediaError]) -> None:
    with pytest.raises(error):
        check_size(*size, "clip")


def test_an_exotic_codec_is_refused() -> None:
    content = make_clip(container="avi", codec="mpeg4", options={}, frames=10)
    exotic = re.sub(b"FMP4|mp4v|XVID|DIVX", b"SNOW", content)
    with pytest.raises(UnsupportedMediaError, match="not read"):
        read(exotic)


def test_random_damage_never_escapes_as_another_error(clip: bytes) -> None:
    rng = np.random.default_rng(7)
    for _ in range(12):
        damaged = bytearray(clip)
        for at in rng.integers(0, len(damaged), 25):
            damaged[at] = int(rng.integers(0, 256))
        try:
            read(bytes(damaged))
        except MediaError:
            continue

"""Clips of every container to sampled frames: times, sizes, rotation, rates, and what the notes say."""

from __future__ import annotations

import numpy as np
import pytest

from detect.errors import UnsupportedMediaError
from detect.media import open_source
from detect.media.frames import turn
from detect.media.video import SampledFrame, VideoStream, open_video
from tests.unit.media.clips import make_clip, picture


def read(content: bytes, *, dense: bool = False) -> tuple[VideoStream, list[SampledFrame]]:
    with open_source(content) as source:
        stream = open_video(source, dense=dense)
        return stream, list(stream)


def codes(stream: VideoStream) -> set[str]:
    return {note.code for note in stream.facts.notes}


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("mp4", "libx264"),
        ("mov", "libx264"),
        ("matroska", "libx265"),
        ("webm", "libvpx-vp9"),
        ("avi", "mpeg4"),
        ("mpegts", "libx264"),
        ("mp4", "libsvtav1"),
    ],
)
def test_every_container_gives_frames_of_the_right_size_and_time(container: str, codec: str) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    stream, frames = read(make_clip(container=container, codec=codec, options=options))
    assert (stream.facts.width, stream.facts.height) == (128, 96)
    assert stream.facts.duration_s == pytest.approx(2.0, abs=0.15)
    assert stream.facts.fps == pytest.approx(20.0, rel=0.06)
    assert len(frames) >= 15
    assert all(frame.pixels_rgb.shape == (96, 128, 3) for frame in frames)
    times = [frame.time_s for frame in frames]
    assert times == sorted(times) and times[-1] <= 2.0


def test_a_gif_of_many_frames_is_a_clip() -> None:
    stream, frames = read(make_clip(container="gif", codec="gif", pixel_format="rgb8", fps=10))
    assert stream.facts.format == "gif" and len(frames) >= 15


def test_a_sampled_frame_shows_the_moment_that_its_time_states() -> None:
    def brighter(number: int) -> np.ndarray:
        return np.full((96, 128, 3), 20 + 5 * number, np.uint8)

    _, frames = read(make_clip(draw=brighter, options={"crf": "10"}))
    for frame in frames:
        assert float(frame.pixels_rgb.mean()) == pytest.approx(20 + 5 * frame.time_s * 20, abs=4)


def test_odd_sizes_are_read_whole() -> None:
    stream, frames = read(make_clip(size=(131, 97), codec="libx264", pixel_format="yuv444p"))
    assert (stream.facts.width, stream.facts.height) == (131, 97)
    assert frames[0].pixels_rgb.shape == (97, 131, 3)


def test_a_variable_rate_is_noted_and_its_times_are_kept() -> None:
    stamps = [n if n < 20 else 20 + 3 * (n - 20) for n in range(40)]
    stream, frames = read(make_clip(stamps=stamps, container="matroska"))
    assert "variable_frame_rate" in codes(stream)
    assert frames[-1].time_s > 3.0


def test_a_dense_pass_looks_at_four_frames_a_second() -> None:
    _, frames = read(make_clip(frames=160), dense=True)
    assert len(frames) >= 31


def test_a_cut_gets_a_sample_of_its_own() -> None:
    def flash(number: int) -> np.ndarray:
        return picture(number) if not 51 <= number < 59 else 255 - picture(number) // 4

    _, frames = read(make_clip(frames=1200, draw=flash, options={"preset": "ultrafast"}))
    assert any(frame.why == "scene" and 2.5 <= frame.time_s < 2.9 for frame in frames)


@pytest.mark.parametrize(("degrees", "corner"), [(0, (0, 0)), (90, (-1, 0)), (180, (-1, -1)), (270, (0, -1))])
def test_turning_moves_the_upper_left_corner_counter_clockwise(degrees: int, corner: tuple[int, int]) -> None:
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[0, 0] = 255
    assert turn(pixels, degrees)[corner].min() == 255


def test_high_bit_depth_is_read_as_eight_bits() -> None:
    _, frames = read(make_clip(codec="libx265", pixel_format="yuv420p10le", options={"x265-params": "log-level=none"}))
    assert frames[0].pixels_rgb.dtype == np.uint8


def test_hdr_is_brought_to_ordinary_brightness_and_noted() -> None:
    options = {"x265-params": "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"}
    stream, frames = read(make_clip(codec="libx265", pixel_format="yuv420p10le", options=options, container="matroska"))
    assert "hdr_to_sdr" in codes(stream)
    assert 0 < float(frames[0].pixels_rgb.mean()) < 255


def test_container_facts_are_told_and_cleaned() -> None:
    stream, _ = read(make_clip(tags={"title": "a\x1b[31mred"}))
    assert stream.container["frames"] == 40
    assert stream.container["key_frames"] >= 3
    assert "\x1b" not in stream.container["tags"]["title"]


def test_a_picture_is_no_clip() -> None:
    with open_source(b"\x89PNG\r\n\x1a\n" + bytes(64)) as source, pytest.raises(UnsupportedMediaError):
        open_video(source)

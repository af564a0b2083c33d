"""Counting the frames of a GIF without decoding it."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from detect.media import open_source
from detect.media.gif import CLIP_FRAMES, count_frames
from detect.types import MediaKind


def gif(frames: int) -> bytes:
    pictures = [Image.fromarray(np.full((20, 20, 3), 9 * n, np.uint8)) for n in range(frames)]
    sink = io.BytesIO()
    pictures[0].save(sink, "GIF", save_all=True, append_images=pictures[1:], duration=40)
    return sink.getvalue()


def reader(content: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, count: content[offset : offset + count]


@pytest.mark.parametrize("frames", [1, 3, 7])
def test_frames_are_counted(frames: int) -> None:
    assert count_frames(reader(gif(frames))) == frames


def test_counting_stops_where_it_is_clear() -> None:
    assert count_frames(reader(gif(20))) == CLIP_FRAMES


@pytest.mark.parametrize("cut", [5, 13, 40, 200])
def test_a_cut_file_ends_the_count(cut: int) -> None:
    assert count_frames(reader(gif(5)[:cut])) <= 5


@pytest.mark.parametrize(("frames", "kind"), [(3, MediaKind.IMAGE), (12, MediaKind.VIDEO)])
def test_many_frames_make_a_clip(frames: int, kind: MediaKind) -> None:
    with open_source(gif(frames)) as source:
        assert source.kind is kind

"""Paths and bytes that are no picture: each a named error at once, and the batch goes on."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from detect.errors import MediaError, MediaTooShortError, MediaUnreadableError, UnsupportedMediaError
from detect.media import open_source

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX file types")


@pytest.fixture(autouse=True)
def nothing_takes_long() -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < 30  # milliseconds on an idle machine; a hang would last for ever


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(MediaUnreadableError, match="folder"):
        open_source(tmp_path)


@pytest.mark.parametrize("path", ["", "missing.jpg", "a\0b.jpg", "x" * 5000, "missing/../../photo.jpg"])
def test_a_path_that_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MediaUnreadableError):
        open_source(path)


def test_a_file_used_as_a_folder(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(MediaUnreadableError, match="not a folder"):
        open_source(tmp_path / "photo.jpg" / "more.jpg")


@posix
def test_a_file_without_read_permission() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = Path(folder) / "secret.jpg"
        path.write_bytes(b"\xff\xd8\xff")
        path.chmod(0o000)
        is_root = os.geteuid() == 0
        if is_root:  # root reads everything: look as nobody
            os.seteuid(65534)
        try:
            with pytest.raises(MediaUnreadableError, match="permission"):
                open_source(path)
        finally:
            if is_root:
                os.seteuid(0)


@posix
def test_a_loop_of_links(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to("b.jpg")
    (tmp_path / "b.jpg").symlink_to("a.jpg")
    with pytest.raises(MediaUnreadableError, match="circle"):
        open_source(tmp_path / "a.jpg")


@posix
def test_a_link_to_a_picture_is_followed(tmp_path: Path, honest: dict[str, bytes]) -> None:
    (tmp_path / "real.png").write_bytes(honest["png"])
    (tmp_path / "link.png").symlink_to("real.png")
    assert open_source(tmp_path / "link.png").format == "png"


@posix
def test_a_pipe_without_a_writer_does_not_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(MediaUnreadableError, match="named pipe"):
        open_source(tmp_path / "pipe.jpg")


@posix
def test_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket may have 108 bytes at most
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.jpg")
        with pytest.raises(MediaUnreadableError, match="socket"):
            open_source("s.jpg")


@posix
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/tty"])
def test_a_device(device: str) -> None:
    with pytest.raises(MediaUnreadableError, match="device"):
        open_source(device)


@posix
def test_a_pipe_put_in_place_of_the_file_after_the_check_does_not_hang_the_child(
    tmp_path: Path, honest: dict[str, bytes]
) -> None:
    from detect.media import Limits, decode_image

    path = tmp_path / "photo.jpg"
    path.write_bytes(honest["jpeg"])
    source = open_source(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(MediaError):
        decode_image(source, limits=Limits(decode_timeout_s=1))


@posix
def test_a_name_that_is_not_utf8(tmp_path: Path, honest: dict[str, bytes], decode: Callable[..., np.ndarray]) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9\xff.jpg"
    with open(path, "wb") as stream:
        stream.write(honest["jpeg"])
    assert decode(os.fsdecode(path)).shape == (72, 96, 3)
    assert open_source(os.fsdecode(path)).name == "caf\ufffd\ufffd.jpg"


@pytest.mark.parametrize("name", ["-rf.jpg", "a b'\"$(x).jpg", "новый снимок.jpg", "emoji \U0001f600.jpg"])
def test_names_that_trip_programs(
    tmp_path: Path, honest: dict[str, bytes], decode: Callable[..., np.ndarray], name: str
) -> None:
    (tmp_path / name).write_bytes(honest["jpeg"])
    assert decode(tmp_path / name).shape == (72, 96, 3)


def test_no_bytes_at_all(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    for file in (tmp_path / "empty.jpg", b""):
        with pytest.raises(MediaTooShortError, match="empty"):
            open_source(file)


@pytest.mark.parametrize(
    "content",
    [
        b"This is no photo, whatever its name says.\n" * 50,
        b"\xff",
        b"\x00" * 1000,
        b"PK\x03\x04" + bytes(100),
        b"#!/bin/sh\nrm -rf /\n",
        b"\x7fELF" + bytes(100),
        b"{}",
    ],
    ids=["text", "one byte", "zeros", "zip", "script", "program", "json"],
)
def test_bytes_of_another_kind_named_jpg(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "photo.jpg").write_bytes(content)
    with pytest.raises(UnsupportedMediaError):
        open_source(tmp_path / "photo.jpg")


@pytest.mark.parametrize("name", ["clip.mp4", "photo.jpg", "sound.wav", "list.m3u8"])
def test_a_playlist_is_refused_under_every_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{tmp_path}/secret.mp4\n#EXT-X-ENDLIST\n"
    (tmp_path / name).write_text(playlist)
    with pytest.raises(UnsupportedMediaError, match="playlist"):
        open_source(tmp_path / name)


@pytest.mark.parametrize("suffix", ["png", "jpg", "mp4", "txt", "exe"])
def test_the_name_does_not_decide(
    tmp_path: Path, honest: dict[str, bytes], decode: Callable[..., np.ndarray], suffix: str
) -> None:
    (tmp_path / f"x.{suffix}").write_bytes(honest["webp"])
    assert decode(tmp_path / f"x.{suffix}").shape == (72, 96, 3)


def test_a_batch_goes_on_after_each(
    tmp_path: Path, honest: dict[str, bytes], decode: Callable[..., np.ndarray]
) -> None:
    (tmp_path / "good.jpg").write_bytes(honest["jpeg"])
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "cut.jpg").write_bytes(honest["jpeg"][:200])
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "folder.jpg").mkdir()
    names = ["good", "empty", "good", "cut", "good", "text", "good", "folder", "good", "missing", "good"]
    outcome = []
    for name in names:
        try:
            outcome.append(str(decode(tmp_path / f"{name}.jpg").shape[0]))
        except MediaError as error:
            outcome.append(error.code)
    assert outcome == [
        *("72", "media_too_short", "72", "corrupt_media", "72", "unsupported_media"),
        *("72", "media_unreadable", "72", "media_unreadable", "72"),
    ]

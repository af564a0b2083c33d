from __future__ import annotations

import gc
import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from detect.errors import ConfigError, MediaTooLargeError, MediaUnreadableError
from detect.media import Limits, open_source
from detect.media.sniff import HEAD_BYTES
from detect.media.source import display_name
from detect.types import MediaKind


@pytest.fixture
def png(scene: Image.Image, encode: Callable[..., bytes]) -> bytes:
    return encode(scene, "PNG")


def test_a_path_is_read_in_place(tmp_path: Path, png: bytes) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(png)
    with open_source(path) as source:
        assert source.path == path
        assert source.name == "photo.png"
        assert (source.size, source.sha256) == (len(png), hashlib.sha256(png).hexdigest())
        assert (source.kind, source.format, source.mime) == (MediaKind.IMAGE, "png", "image/png")
        assert source.head == png[:HEAD_BYTES]
        assert source.notes == ()
    assert path.exists()


def test_a_relative_path_becomes_absolute(tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photo.png").write_bytes(png)
    assert open_source("photo.png").path == tmp_path / "photo.png"


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, io.BytesIO], ids=lambda kind: kind.__name__)
def test_bytes_and_streams_get_a_temporary_file(png: bytes, wrap: Callable[[bytes], object]) -> None:
    with open_source(wrap(png)) as source:  # type: ignore[arg-type]
        assert source.path.read_bytes() == png
        assert source.path.suffix == ".png"
        assert source.sha256 == hashlib.sha256(png).hexdigest()
        if os.name == "posix":
            assert source.path.stat().st_mode & 0o077 == 0  # nobody else reads it
    assert not source.path.exists()
    source.close()  # a second time does nothing


def test_a_forgotten_source_leaves_no_file_behind(png: bytes) -> None:
    path = open_source(png).path
    gc.collect()
    assert not path.exists()


def test_a_stream_is_read_from_where_it_stands(png: bytes) -> None:
    stream = io.BytesIO(b"header" + png)
    stream.seek(6)
    assert open_source(stream).sha256 == hashlib.sha256(png).hexdigest()


def test_a_stream_that_gives_one_byte_at_a_time_is_read_whole(png: bytes) -> None:
    class Drip(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(1)

    assert open_source(Drip(png)).size == len(png)


def test_a_file_object_lends_its_name(tmp_path: Path, png: bytes) -> None:
    (tmp_path / "photo.png").write_bytes(png)
    with (tmp_path / "photo.png").open("rb") as stream, open_source(stream) as source:
        assert source.name == "photo.png"
    assert open_source(png, name="other.png").name == "other.png"


@pytest.mark.parametrize("wrong", [io.StringIO("text"), 7, None], ids=["text", "number", "none"])
def test_something_that_is_no_binary_file_is_a_wrong_argument(wrong: object) -> None:
    with pytest.raises(ConfigError, match="binary"):
        open_source(wrong)  # type: ignore[arg-type]


def test_a_closed_file_object_is_unreadable(png: bytes) -> None:
    stream = io.BytesIO(png)
    stream.close()
    with pytest.raises(MediaUnreadableError, match="closed"):
        open_source(stream)


def test_a_failing_stream_is_unreadable_and_leaves_no_file(
    png: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            data = super().read(64)
            if self.tell() > 1000:
                raise OSError(5, "Input/output error")
            return data

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(MediaUnreadableError, match="Input/output"):
        open_source(Failing(png * 2000))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("as_stream", [False, True], ids=["bytes", "stream"])
@pytest.mark.parametrize("knob", ["max_bytes", "max_image_bytes"])
def test_too_many_bytes_are_refused(png: bytes, knob: str, as_stream: bool) -> None:
    padded = png + bytes(200_000)
    limits = Limits(**{knob: 100_000})
    with pytest.raises(MediaTooLargeError, match="100000"):
        open_source(io.BytesIO(padded) if as_stream else padded, limits=limits)


def test_a_sparse_file_over_the_limit_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "huge.mp4"
    with path.open("wb") as stream:
        stream.truncate(3 * 2**30)
    with pytest.raises(MediaTooLargeError):
        open_source(path)


def test_the_limit_of_pictures_does_not_bind_recordings(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    path.write_bytes(b"RIFF\0\0\0\0WAVE" + bytes(10_000))
    assert open_source(path, limits=Limits(max_image_bytes=100)).kind is MediaKind.AUDIO


@pytest.mark.parametrize(
    ("name", "noted"),
    [
        ("photo.jpg", True),
        ("photo.MP4", True),
        ("photo.png", False),
        ("photo.PNG", False),
        ("photo.apng", False),
        ("photo", False),
        ("photo.tmp", False),
        ("archive.jpg.png", False),
    ],
)
def test_a_name_that_promises_another_format_is_noted(png: bytes, name: str, noted: bool) -> None:
    codes = [note.code for note in open_source(png, name=name).notes]
    assert codes == (["extension_mismatch"] if noted else [])


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("a/b/photo.jpg", "photo.jpg"),
        ("a\\b\\", "a\\b"),
        ("\x1b[31mred\x07.png", "\ufffd[31mred\ufffd.png"),
        ("gpj\u202eexe.png", "gpj\ufffdexe.png"),
        (os.fsdecode(b"caf\xe9.png"), "caf\ufffd.png"),
        ("x" * 500, "x" * 255),
        ("/", "/"),
    ],
)
def test_names_are_cleaned_for_display(path: str, shown: str) -> None:
    assert display_name(path) == shown

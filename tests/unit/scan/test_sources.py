"""What sources stand for: one order, nothing lost, faults as items, and the bytes that they promise."""

import io
import json
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from detect.errors import ConfigError, MediaUnreadableError
from detect.media import Limits
from detect.scan.items import Item
from detect.scan.sources import count_sources, expand_braces, read_sources
from tests.unit.scan.conftest import picture


def items_of(*sources):
    return list(read_sources([str(source) for source in sources], max_bytes=10**8))


def names_of(*sources):
    return [item.name for item in items_of(*sources)]


def opened(item):
    with item.open(Limits()) as source:
        return source.path.read_bytes()


@pytest.fixture
def shard(tmp_path):
    """A WebDataset shard with two samples, a companion each, and a file whose bytes alone say that it is media."""

    def make(name="shard-000.tar"):
        path = tmp_path / name
        mode = "w:gz" if name.endswith("gz") else "w"
        with tarfile.open(path, mode) as archive:
            for member, data in {
                "0001.png": picture(1),
                "0001.json": b"{}",
                "0002.jpg": picture(2, suffix="JPEG"),
                "0002.cls": b"1",
                "0003.blob": picture(3),
                "readme": b"words",
            }.items():
                info = tarfile.TarInfo(member)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return path

    return make


@pytest.fixture
def web(tmp_path):
    """A web server on loopback over the test's folder; yields its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_folder_gives_media_sorted_and_counts_them(pictures):
    expected = ["0.png", "1.png", "2.png", "3.png", "sub/again.png", "sub/broken.jpg", "sub/empty.gif"]
    assert names_of(pictures) == [f"{pictures}/{name}" for name in expected]
    assert count_sources([str(pictures)]) == 7


@pytest.mark.parametrize(
    ("pattern", "expected"), [("*.png", 4), ("**/*.png", 5), ("sub", 3), ("s?b", 3)], ids=lambda value: str(value)
)
def test_patterns_and_folders_in_patterns(pictures, pattern, expected):
    assert len(names_of(f"{pictures}/{pattern}")) == expected


def test_a_text_file_in_a_folder_is_no_list_even_when_it_is_media(tmp_path):
    (tmp_path / "photo.txt").write_bytes(picture(0))
    (item,) = items_of(tmp_path)
    assert opened(item) == picture(0)


@pytest.mark.parametrize("source", ["missing", "missing/*.png", "missing.tar", "missing.jsonl"])
def test_a_source_that_names_nothing_is_refused(tmp_path, source):
    with pytest.raises(ConfigError, match="missing"):
        names_of(tmp_path / source)


@pytest.mark.parametrize("name", ["shard-000.tar", "shard-000.tar.gz"])
def test_shard_gives_its_media_with_their_bytes(shard, name):
    path = shard(name)
    items = items_of(path)
    assert [item.name for item in items] == [f"tar://{n}::{path}" for n in ("0001.png", "0002.jpg", "0003.blob")]
    assert [opened(item) for item in items] == [picture(1), picture(2, suffix="JPEG"), picture(3)]
    assert all((item.data is None) == name.endswith(".tar") for item in items)


def test_braces_stand_for_shards(shard, tmp_path):
    shard("s-00.tar")
    shard("s-01.tar")
    assert len(names_of(tmp_path / "s-{00..01}.tar")) == 6
    assert expand_braces("a{1..2}b{8..9}") == ["a1b8", "a1b9", "a2b8", "a2b9"]


@pytest.mark.parametrize("name", ["shard-000.tar", "shard-000.tar.gz"])
def test_a_shard_that_breaks_off_ends_with_a_fault(shard, name):
    path = shard(name)
    whole = len(items_of(path))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    items = items_of(path)
    assert len(items) <= whole
    with pytest.raises(MediaUnreadableError):
        for item in items:
            item.open(Limits()).close()


def test_lines_name_files_beside_the_list_and_bad_ones_are_faults(tmp_path):
    (tmp_path / "a.png").write_bytes(picture(0))
    lines = [
        "a.png",
        json.dumps({"path": "a.png", "label": 1}),
        json.dumps("a.png"),
        "",
        '{"path": ',
        json.dumps({"label": 1}),
    ]
    (tmp_path / "list.jsonl").write_text("\n".join(lines))
    items = items_of(tmp_path / "list.jsonl")
    assert [bool(item.fault) for item in items] == [False, False, False, True, True]
    assert all(opened(item) == picture(0) for item in items[:3])
    assert count_sources([str(tmp_path / "list.jsonl")]) == 5


def test_parquet_lists_hold_places_or_bytes(tmp_path):
    (tmp_path / "a.png").write_bytes(picture(0))
    pq.write_table(pa.table({"label": [1, 2], "file_name": ["a.png", None]}), tmp_path / "places.parquet")
    first, second = items_of(tmp_path / "places.parquet")
    assert opened(first) == picture(0)
    assert second.fault
    cells = [{"bytes": picture(1), "path": "x.png"}, {"bytes": None, "path": "a.png"}]
    pq.write_table(pa.table({"image": cells}), tmp_path / "bytes.parquet")
    items = items_of(tmp_path / "bytes.parquet")
    assert [opened(item) for item in items] == [picture(1), picture(0)]
    pq.write_table(pa.table({"label": [1]}), tmp_path / "neither.parquet")
    with pytest.raises(ConfigError, match="label"):
        names_of(tmp_path / "neither.parquet")


@pytest.mark.parametrize("named", ["/etc/hostname", "../secret.png", "file:///etc/hostname"])
def test_a_remote_list_may_not_name_files_of_this_machine(tmp_path, web, named):
    pytest.importorskip("aiohttp")
    (tmp_path / "list.txt").write_text(named)
    (item,) = items_of(f"{web}/list.txt")
    assert item.fault


def test_web_files_folders_lists_and_shards(tmp_path, web, shard, pictures):
    pytest.importorskip("aiohttp")
    shard()
    (tmp_path / "list.txt").write_text("pictures/0.png\npictures/missing.png\n")
    assert opened(items_of(f"{web}/pictures/2.png")[0]) == picture(2)
    assert len(names_of(f"{web}/pictures/")) == 7
    good, missing = items_of(f"{web}/list.txt")
    assert opened(good) == picture(0)
    with pytest.raises(MediaUnreadableError, match=r"missing\.png"):
        missing.open(Limits())
    assert opened(items_of(f"{web}/shard-000.tar")[0]) == picture(1)


def test_an_archive_that_shrank_is_said(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"short")
    with pytest.raises(MediaUnreadableError, match="ends after"):
        Item("tar://x.png::a.tar", str(tmp_path / "a.tar"), offset=2, size=100).open(Limits())

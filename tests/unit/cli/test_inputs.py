"""What arguments name: files, folders, patterns, lists."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from detect.cli.inputs import Source, expand, read_list
from detect.errors import ConfigError
from detect.media.walk import is_media, walk

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b.png", "a.png", "sub/c.png", "sub/.hidden.png", ".git/d.png", "no-suffix"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(PNG)
    (tmp_path / "notes.txt").write_text("words")
    (tmp_path / "empty.jpg").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def paths_of(sources: list[Source]) -> list[str]:
    return [source.path for source in sources]


def test_folder_gives_its_media_sorted_without_hidden_ones(tree: Path) -> None:
    assert list(walk(".")) == ["./a.png", "./b.png", "./empty.jpg", "./no-suffix", "./sub/c.png"]


def test_link_loop_ends(tree: Path) -> None:
    (tree / "sub" / "loop").symlink_to(tree)
    assert len(list(walk("."))) == 5


def test_link_to_itself_is_reported_when_its_name_says_photo(tree: Path) -> None:
    (tree / "sub" / "loop.jpg").symlink_to("loop.jpg")
    (tree / "sub" / "loop").symlink_to("loop")
    assert list(walk("sub")) == ["sub/c.png", "sub/loop.jpg"]


def test_folder_that_cannot_be_read_is_reported(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("sub"):
            raise PermissionError(13, "Permission denied", path)
        return original(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert "./sub" in list(walk("."))


def test_pipe_in_a_folder_is_not_opened(tree: Path) -> None:
    os.mkfifo(tree / "pipe.jpg")
    assert not is_media(str(tree / "pipe.jpg"))


def test_arguments_keep_their_order_and_repetitions(tree: Path) -> None:
    sources = expand(["sub", "a.png", "sub/c.png"], spool=tree)
    assert paths_of(sources) == ["sub/c.png", "a.png", "sub/c.png"]


def test_pattern_is_expanded_sorted(tree: Path) -> None:
    assert paths_of(expand(["*.png"], spool=tree)) == ["a.png", "b.png"]
    assert paths_of(expand(["**/*.png"], spool=tree)) == ["a.png", "b.png", "sub/c.png"]


def test_pattern_that_matches_a_folder_gives_its_media(tree: Path) -> None:
    assert paths_of(expand(["su*"], spool=tree)) == ["sub/c.png"]


@pytest.mark.parametrize("argument", ["missing.png", "*.gif", "void"])
def test_what_names_nothing_stays_as_an_error_of_its_own(tree: Path, argument: str) -> None:
    (tree / "void").mkdir()
    assert paths_of(expand([argument], spool=tree)) == [argument]


def test_file_whose_name_looks_like_a_pattern_is_that_file(tree: Path) -> None:
    (tree / "[a].png").write_bytes(PNG)
    assert paths_of(expand(["[a].png"], spool=tree)) == ["[a].png"]


def test_list_may_hold_names_that_are_not_utf8(tree: Path) -> None:
    (tree / "list").write_bytes(b"a.png\ncaf\xe9.png\n")
    assert [os.fsencode(path) for path in read_list("list")] == [b"a.png", b"caf\xe9.png"]


def test_missing_list_is_a_usage_error(tree: Path) -> None:
    with pytest.raises(ConfigError, match="--files-from nothing"):
        read_list("nothing")


def test_stdin_cannot_be_read_twice(tree: Path) -> None:
    with pytest.raises(ConfigError, match="once"):
        expand(["-"], files_from="-", spool=tree)

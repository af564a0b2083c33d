"""Runs that break off lose no chunk, double none, and blame only the file that ends them alone."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from detect.errors import EngineError
from detect.scan.items import Item
from detect.scan.losses import MAX_DEATHS, RunLostError, judge_through
from detect.scan.rows import Row
from tests.unit.scan.workers import row_for

Pieces = Mapping[int, bytes]


def chunks_of(*names: str) -> list[bytes]:
    """Return one chunk of each word, one file of each letter."""
    return [pickle.dumps([Item(letter) for letter in name]) for name in names]


def names_of(chunk: bytes) -> list[str]:
    return [item.name for item in pickle.loads(chunk)]


def answer(chunk: bytes) -> list[Row]:
    return [row_for(name) for name in names_of(chunk)]


def names(rows: Iterator[list[Row]]) -> list[str]:
    return ["".join(row["name"] for row in chunk) for chunk in rows]


def waiting(pauses: list[float]) -> Callable[[float], None]:
    return pauses.append


@example(6, [0, 0, 5], Random(0))  # the last chunk was not alone when the first run broke off
@given(
    st.integers(1, 12),
    st.lists(st.integers(0, 5), max_size=12),
    st.randoms(use_true_random=False),
)
def test_every_chunk_comes_once_and_in_order_wherever_runs_break_off(count, breaks, chance) -> None:
    left = list(breaks)

    def run(pieces: Pieces) -> Iterator[tuple[int, list[Row]]]:
        order = list(pieces)
        chance.shuffle(order)
        good = left.pop() if left else len(order)
        for number in order[:good]:
            yield number, answer(pieces[number])
        if good < len(order):
            raise RunLostError("gone")

    words = [chr(ord("a") + number) for number in range(count)]
    deaths_alone = sum(broken == 0 for broken in breaks)
    rows = [row for chunk in judge_through(chunks_of(*words), run, pause=lambda _: None) for row in chunk]
    assert [row["name"] for row in rows] == words
    if deaths_alone < MAX_DEATHS:
        assert all(row["error_code"] is None for row in rows)


def test_only_what_is_missing_is_asked_for_again() -> None:
    asked: list[list[int]] = []

    def run(pieces: Pieces) -> Iterator[tuple[int, list[Row]]]:
        asked.append(list(pieces))
        for number in list(pieces)[::2]:
            yield number, answer(pieces[number])
        if len(pieces) > 1:
            raise RunLostError("a node is gone")

    assert names(judge_through(chunks_of("a", "b", "c", "d"), run)) == ["a", "b", "c", "d"]
    assert asked == [[0, 1, 2, 3], [1, 3], [3]]


def test_a_chunk_given_twice_counts_once() -> None:
    def run(pieces: Pieces) -> Iterator[tuple[int, list[Row]]]:
        for number in [*pieces, *pieces]:
            yield number, answer(pieces[number])

    assert names(judge_through(chunks_of("ab", "c"), run)) == ["ab", "c"]


def test_a_run_that_ends_early_without_a_word_is_a_loss() -> None:
    runs = iter([1, 9])

    def run(pieces: Pieces) -> Iterator[tuple[int, list[Row]]]:
        for number in list(pieces)[: next(runs)]:
            yield number, answer(pieces[number])

    assert names(judge_through(chunks_of("a", "b"), run)) == ["a", "b"]


def test_the_file_that_ends_every_process_gets_a_row_that_says_so_and_no_other_does() -> None:
    pauses: list[float] = []

    def run(pieces: Pieces) -> Iterator[tuple[int, list[Row]]]:
        if any("x" in names_of(chunk) for chunk in pieces.values()):  # whoever is first to open it dies before the rest
            raise RunLostError("an actor died")
        for number, chunk in pieces.items():
            yield number, answer(chunk)

    rows = list(judge_through(chunks_of("ab", "cd", "exf", "gh"), run, pause=waiting(pauses)))
    assert [row["name"] for chunk in rows for row in chunk] == list("abcdexfgh")
    faulty = [row for chunk in rows for row in chunk if row["error_code"] is not None]
    assert [(row["name"], row["error_code"]) for row in faulty] == [("x", "engine_error")]
    assert f"ended {MAX_DEATHS} times" in faulty[0]["error_message"]


def test_a_cluster_that_judges_nothing_blames_no_file() -> None:
    pauses: list[float] = []

    def run(pieces: Pieces) -> Iterator[tuple[int, list[Row]]]:
        raise RunLostError("no actor starts")
        yield

    with pytest.raises(EngineError, match=r"cannot judge: no actor starts.*last checkpoint"):
        list(judge_through(chunks_of("a", "b"), run, pause=waiting(pauses)))
    assert sum(pauses) > 30  # it was given time to find itself again

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from io import FileIO

import numpy as np
import pytest

from detect.media.wire import Frame, Payload, WireError, read_frame, write_frame

Pipe = tuple[FileIO, FileIO]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reading, writing = os.pipe()
    with FileIO(reading, "rb") as reader, FileIO(writing, "wb") as writer:
        yield reader, writer


def send_raw(writer: FileIO, header: bytes, body: bytes = b"") -> None:
    writer.write(len(header).to_bytes(8, "little") + header + body)
    writer.close()


def test_facts_and_arrays_come_back_as_they_were_sent(pipe: Pipe) -> None:
    reader, writer = pipe
    noise = np.random.default_rng(0).random((300, 400)).astype(np.float32)  # larger than the pipe
    sent = Frame("value", Payload({"n": 1, "name": "\udcff"}, {"noise": noise, "none": np.zeros((0, 2), np.uint8)}))
    thread = threading.Thread(target=write_frame, args=(writer, sent))
    thread.start()
    got = read_frame(reader, max_bytes=10**6)
    thread.join()
    assert got.kind == "value"
    assert got.payload.facts == {"n": 1, "name": "\udcff"}
    np.testing.assert_array_equal(got.payload.arrays["noise"], noise)
    assert got.payload.arrays["none"].shape == (0, 2)


@pytest.mark.parametrize(
    "array",
    [np.array([object()]), np.array(["text"]), np.zeros(2, "datetime64[s]"), np.zeros(2, np.complex64)],
    ids=["object", "text", "time", "complex"],
)
def test_element_types_outside_the_list_are_not_sent(pipe: Pipe, array: np.ndarray) -> None:
    with pytest.raises(TypeError, match="does not travel"):
        write_frame(pipe[1], Frame("value", Payload({}, {"array": array})))


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "a", "dtype": "object", "shape": [1]},
        {"name": "a", "dtype": "uint8", "shape": [-1]},
        {"name": "a", "dtype": "uint8", "shape": [1] * 9},
        {"name": "a", "dtype": "uint8", "shape": "x"},
        {"dtype": "uint8", "shape": [1]},
        "nonsense",
    ],
)
def test_an_array_that_breaks_the_rules_is_refused(pipe: Pipe, entry: object) -> None:
    send_raw(pipe[1], json.dumps({"kind": "value", "facts": {}, "arrays": [entry]}).encode(), bytes(64))
    with pytest.raises(WireError):
        read_frame(pipe[0], max_bytes=1000)


def test_an_array_larger_than_allowed_is_refused_before_memory_is_spent(pipe: Pipe) -> None:
    arrays = [{"name": "a", "dtype": "float64", "shape": [10**6, 10**6, 10**6]}]
    send_raw(pipe[1], json.dumps({"kind": "value", "facts": {}, "arrays": arrays}).encode())
    with pytest.raises(WireError, match="more than"):
        read_frame(pipe[0], max_bytes=10**9)


@pytest.mark.parametrize("header", [b"", b"[1]", b"{", b'{"kind": "value"}', b"[" * 5000, b"\xff\xfe"])
def test_a_header_that_is_no_header_is_refused(pipe: Pipe, header: bytes) -> None:
    send_raw(pipe[1], header)
    with pytest.raises(WireError):
        read_frame(pipe[0], max_bytes=1000)


def test_a_header_that_claims_terabytes_is_refused(pipe: Pipe) -> None:
    pipe[1].write((2**40).to_bytes(8, "little"))
    with pytest.raises(WireError, match="header"):
        read_frame(pipe[0], max_bytes=1000)


def test_a_pipe_that_ends_in_an_array_is_an_error(pipe: Pipe) -> None:
    arrays = [{"name": "a", "dtype": "uint8", "shape": [100]}]
    send_raw(pipe[1], json.dumps({"kind": "value", "facts": {}, "arrays": arrays}).encode(), bytes(40))
    with pytest.raises(WireError, match="ended"):
        read_frame(pipe[0], max_bytes=1000)

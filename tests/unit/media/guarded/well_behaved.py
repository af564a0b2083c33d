"""Functions that the sandbox tests run in the child."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from detect.errors import MediaTooShortError
from detect.media.wire import Payload


def echo(**facts: Any) -> Payload:
    return Payload({**facts, "pid": os.getpid()})


def arrays() -> Payload:
    return Payload(
        {},
        {
            "turned": np.arange(12, dtype=np.uint8).reshape(3, 4)[::-1, ::2],
            "empty": np.zeros((0, 3), np.float32),
            "wide": np.array([[-1.5, np.inf]], np.float64),
            "flags": np.array([True, False]),
        },
    )


def surroundings() -> Payload:
    return Payload(
        {
            "torch": "torch" in sys.modules,
            "variables": dict(os.environ),
            "folder": os.getcwd(),
            "isolated": sys.flags.isolated,
        }
    )


def print_loudly() -> Payload:
    print("x" * 100_000, flush=True)
    os.write(1, b"y" * 100_000)
    return Payload({"printed": True})


def too_short() -> Payload:
    raise MediaTooShortError("only 0.2 s of sound")


def surprise() -> Payload:
    raise KeyError("chunk")


def write_file(path: str) -> Payload:
    with open(path, "wb") as stream:
        stream.write(b"x")
    return Payload()


def count(stop: int, pause_s: float = 0.0, fail_at: int = -1) -> Iterator[Payload]:
    for number in range(stop):
        time.sleep(pause_s)
        if number == fail_at:
            raise ValueError("damaged frame")
        yield Payload({"number": number, "pid": os.getpid()}, {"frame": np.full((4, 4), number, np.uint8)})


def nap(seconds: float) -> Payload:
    time.sleep(seconds)
    return Payload({"pid": os.getpid()})


def descriptors() -> Payload:
    sockets = [socket.socketpair() for _ in range(100)]
    return Payload({"open": len(sockets)})

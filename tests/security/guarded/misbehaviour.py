"""Functions that do in the guarded child what a hostile file might make a decoder do."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import stat
import time
from collections.abc import Iterator

import numpy as np

from detect.media.wire import Payload


def behave() -> Payload:
    return Payload({"pid": os.getpid()})


def follow_null_pointer() -> Payload:
    ctypes.string_at(0)
    raise AssertionError("unreachable")


def abort() -> Payload:
    os.abort()


def leave() -> Payload:
    os._exit(0)


def kill_itself() -> Payload:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def sleep() -> Payload:
    time.sleep(600)
    return Payload()


def sleep_in_c() -> Payload:
    ctypes.PyDLL(None).sleep(600)  # holds the interpreter lock, as a decoder's loop may
    return Payload()


def spin() -> Payload:
    while True:
        pass


def grab_memory() -> Payload:
    return Payload({}, {"zeros": np.zeros(10**11, np.uint8)})


def hoard_memory() -> Payload:
    hoard = []
    while True:
        hoard.append(np.ones(2**22))


def grow_text() -> Payload:
    text = "x"
    while True:
        text += text


def write_nonsense() -> Payload:
    """Write into every pipe that is open, as code injected by a file might."""
    for descriptor in range(3, 64):
        try:
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                os.write(descriptor, b"\xff" * 4096)
        except OSError:
            continue
    return Payload()


def exceed_its_answer() -> Payload:
    return Payload({}, {"large": np.zeros(3_000_000, np.uint8)})


def stall_in_stream() -> Iterator[Payload]:
    yield Payload({"number": 0})
    time.sleep(600)


def crash_in_stream() -> Iterator[Payload]:
    yield Payload({"number": 0})
    os.abort()


def phone_home(port: int) -> Payload:
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        return Payload({"connected": True})


def look_outside() -> Payload:
    """The child's own check of names, past the parent's."""
    from detect.media.child import _find

    _find("os:getpid", ("detect.media",))
    return Payload()

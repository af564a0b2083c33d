"""The guarded child: a clean interpreter that runs decoders on untrusted bytes, one call at a time.

Started by `detect.media.worker` as a clean interpreter (`python -I -c ...`). It reads calls from its standard input and
answers on its standard output (see `detect.media.wire`); it ends when its input ends, so it never outlives the parent.
Nothing here may import torch.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from io import FileIO
from typing import Any

from detect.errors import WitnessmarkError
from detect.media.wire import Frame, Payload, WireError, read_frame, write_frame

if sys.platform != "win32":  # Windows has no such limits; there the parent's clock alone kills
    import fcntl
    import resource

MAX_OPEN_FILES = 64
"""A decoder opens one file; shared libraries that load late need a few more."""

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000  # linux/sched.h

ALARM_MARGIN_S = 5.0
"""The child's own alarm rings so long after the parent should have killed it: only when the parent is gone."""


def main() -> None:
    """Serve calls until the standard input ends."""
    calls, answers = _take_pipes()
    _drop_rights()
    packages = tuple(sys.argv[2].split(","))
    try:
        if sys.argv[3]:
            importlib.import_module(sys.argv[3])
    except BaseException:  # the parent must learn why, whatever it is
        _say_error(answers, "child_start", traceback.format_exc())
        os._exit(3)
    write_frame(answers, Frame("ready"))
    while True:
        try:
            frame = read_frame(calls, max_bytes=0)
        except WireError:
            os._exit(0)
        with contextlib.suppress(BrokenPipeError):
            write_frame(answers, Frame("taken"))
            _serve(frame.payload.facts, packages, calls, answers)


def _take_pipes() -> tuple[FileIO, FileIO]:
    """Move the pipes away from 0 and 1, so that a library that prints cannot write into the protocol."""
    calls, answers = FileIO(os.dup(0), "rb"), FileIO(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    return calls, answers


def _drop_rights() -> None:
    """Take away for good what no decoder needs: network, writing files, core dumps, many open files, Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent, which then closes the pipe
    if sys.platform == "win32":
        return
    for number in (signal.SIGALRM, signal.SIGIO, signal.SIGXCPU):  # an ignored signal would be inherited
        signal.signal(number, signal.SIG_DFL)
    _leave_network()
    for kind, value in (("RLIMIT_CORE", 0), ("RLIMIT_FSIZE", 0), ("RLIMIT_NOFILE", MAX_OPEN_FILES)):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(getattr(resource, kind), (value, value))


def _leave_network() -> None:
    """Move into a network of its own, without any way out; where the system does not allow that, nothing changes.

    Root keeps its user namespace, or it would lose the right to read other people's files.
    """
    if not sys.platform.startswith("linux"):
        return
    flags = _CLONE_NEWNET if os.geteuid() == 0 else _CLONE_NEWNET | _CLONE_NEWUSER
    with contextlib.suppress(OSError, AttributeError, ImportError):
        import ctypes

        ctypes.CDLL(None).unshare(flags)  # returns -1 where it is not allowed


def _serve(call: Mapping[str, Any], packages: tuple[str, ...], calls: FileIO, answers: FileIO) -> None:
    """Run one call and write its answer, or its error."""
    try:
        function = _find(str(call["function"]), packages)
        limit = functools.partial(_limit, float(call["timeout_s"]), float(call["cpu_s"]), int(call["memory_bytes"]))
        with _dies_with_parent(calls):
            last = _run(function, dict(call["arguments"]), answers, limit)
        write_frame(answers, last)  # outside: the parent may send the next call as soon as it has read this
    except BrokenPipeError:
        raise
    except MemoryError:
        _say_error(answers, "memory", "")
    except WitnessmarkError as error:
        _say_error(answers, error.code, str(error))
    except Exception as error:  # whatever a decoder throws at hostile bytes is this one file's matter
        text = "".join(traceback.format_exception(error))
        _say_error(answers, "decoder", f"{type(error).__name__}: {error}", text)
    finally:
        _stop_alarm()


def _find(name: str, packages: tuple[str, ...]) -> Callable[..., Any]:
    """Import the function `package.module:name`; only from the packages that the parent allowed at the start."""
    module, _, attribute = name.partition(":")
    if not any(module == package or module.startswith(package + ".") for package in packages):
        raise LookupError(f"{name} is outside {', '.join(packages)}")
    function = getattr(importlib.import_module(module), attribute)
    if not callable(function):
        raise LookupError(f"{name} is not a function")
    return function  # type: ignore[no-any-return]


def _limit(timeout_s: float, cpu_s: float, memory_bytes: int) -> None:
    """Set the limits of a call, or of the next item; they are soft ones, so that each call can set its own."""
    if sys.platform == "win32":
        return
    signal.setitimer(signal.ITIMER_REAL, timeout_s + ALARM_MARGIN_S)  # default action: the kernel ends the process
    _set_soft(resource.RLIMIT_CPU, int(time.process_time() + cpu_s + 1))
    _set_soft(resource.RLIMIT_AS, memory_bytes)


def _stop_alarm() -> None:
    """Stop the clock: what follows waits for the parent, for as long as that takes."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, 0)


def _set_soft(kind: int, value: int) -> None:
    """Set a soft limit, not above the hard one."""
    hard = resource.getrlimit(kind)[1]
    soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
    with contextlib.suppress(ValueError, OSError):  # macOS knows RLIMIT_AS but does not take every value
        resource.setrlimit(kind, (soft, hard))


@contextlib.contextmanager
def _dies_with_parent(calls: FileIO) -> Iterator[None]:
    """While a call runs, let the kernel end this process (SIGIO) when the parent's end of the pipe closes.

    Between calls the blocking read sees the end by itself. PR_SET_PDEATHSIG would not do: it fires when the *thread*
    that started the child ends.
    """
    if sys.platform == "win32":
        yield
        return
    flags = fcntl.fcntl(calls, fcntl.F_GETFL)
    fcntl.fcntl(calls, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(calls, fcntl.F_SETFL, flags | os.O_ASYNC)
    try:
        yield
    finally:
        fcntl.fcntl(calls, fcntl.F_SETFL, flags)


def _run(
    function: Callable[..., Any], arguments: Mapping[str, Any], answers: FileIO, limit: Callable[[], None]
) -> Frame:
    """Call the function and return the closing message; a generator's items are sent as they come."""
    limit()
    result: Any = function(**arguments)
    if isinstance(result, Payload):
        return Frame("value", result)
    for item in result:
        _stop_alarm()
        write_frame(answers, Frame("item", item))
        limit()
    return Frame("end")


def _say_error(answers: FileIO, code: str, message: str, text: str = "") -> None:
    """Send an error; a broken pipe here means that nobody waits for it."""
    with contextlib.suppress(BrokenPipeError):
        facts = {"code": code, "message": message[:2000], "traceback": text[-8000:]}
        write_frame(answers, Frame("error", Payload(facts)))

"""One guarded child as the parent sees it: start, call, kill, and what its end means."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from io import RawIOBase
from pathlib import Path
from typing import Any, cast

import detect
from detect.errors import (
    CorruptMediaError,
    DecodeTimeoutError,
    EngineError,
    MediaTooLargeError,
    WitnessmarkError,
)
from detect.media.limits import Limits
from detect.media.wire import Frame, Payload, WireError, read_frame, write_frame

START_TIMEOUT_S = 90.0
"""A child imports numpy and a decoder; a cold disk under load takes tens of seconds for what takes 0.3 s warm."""

PIPE_BYTES = 1024 * 1024
"""Room in the pipe for answers: a megapixel then crosses in 3 hand-overs instead of 46."""

KEPT_HEAP_BYTES = 64 * 1024 * 1024
"""Freed memory that a child keeps for its next picture (glibc). Getting fresh pages from the kernel for every buffer
costs more than decoding a megapixel of JPEG: 14.6 ms without this, 7.2 ms with it."""

KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LANG", "TZ")
"""The only variables of this process that a child sees (and `LC_*`): keys and tokens stay out of its reach."""

_BOOTSTRAP = (
    "import sys, json; sys.path += [p for p in json.loads(sys.argv[1]) if p not in sys.path]; "
    "from detect.media.child import main; main()"
)

_log = logging.getLogger(__name__)


class Worker:
    """A child process that has loaded one module and waits for calls. One caller at a time."""

    def __init__(self, module: str, packages: tuple[str, ...]) -> None:
        """Start the process; it gets ready in the background.

        Raises:
            OSError: The system has no memory or process left.
            EngineError: This interpreter does not know its own executable.
        """
        if not sys.executable:
            raise EngineError("decoding needs sys.executable, which this embedded interpreter does not set")
        self.module = module
        self.calls = 0
        self._ready = False
        self._broken = False
        self._timed_out = False
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, no shell, no untrusted argument
            [
                *(sys.executable, "-I", "-B", "-X", f"utf8={sys.flags.utf8_mode}", "-c", _BOOTSTRAP),
                *(json.dumps(_import_path()), ",".join(packages), module),
            ],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=os.path.abspath(os.sep),
            env=_environment(),
        )
        self._calls = cast(RawIOBase, self._process.stdin)
        self._answers = cast(RawIOBase, self._process.stdout)
        _widen(self._answers)

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    @property
    def is_usable(self) -> bool:
        """Whether the child lives and stands between two calls."""
        return not self._broken and self._process.poll() is None

    def begin(self, function: str, arguments: Mapping[str, Any], limits: Limits) -> bool:
        """Hand over one call; False when the child turns out to have ended while it was idle.

        The child confirms that it has the call before it runs it, so that a child which something killed between two
        files (the kernel for want of memory, a person) is told apart from one which this file ends.

        Raises:
            EngineError: The child does not start.
        """
        self._broken = True  # until the call has come to its end
        self._await_ready()
        facts = {
            "function": function,
            "arguments": dict(arguments),
            "timeout_s": limits.decode_timeout_s,
            "cpu_s": limits.decode_cpu_s,
            "memory_bytes": limits.max_memory_bytes,
        }
        with contextlib.suppress(BrokenPipeError):
            write_frame(self._calls, Frame("call", Payload(facts)))
        frame = self._read(START_TIMEOUT_S, max_bytes=0)
        return frame is not None and frame.kind == "taken"

    def answer(self, limits: Limits) -> Payload:
        """Return what the function returned; see `Sandbox.call`."""
        frame = self._receive(limits)
        if frame.kind != "value":
            raise EngineError("the function does not return one Payload; use stream() for a generator")
        self._end_call()
        return frame.payload

    def answers(self, limits: Limits) -> Iterator[Payload]:
        """Yield what the generator function yields; see `Sandbox.stream`."""
        while (frame := self._receive(limits)).kind == "item":
            yield frame.payload
        self._end_call()
        if frame.kind == "value":
            yield frame.payload

    def close(self) -> None:
        """End the process and free its pipes; safe to call twice."""
        self._broken = True
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()
        self._release_pipes()

    def abandon(self) -> None:
        """In a forked process: let go of a child that belongs to the process before the fork."""
        self._broken = True
        self._process.returncode = 0  # not ours to wait for; Popen would warn about it otherwise
        self._release_pipes()

    def _release_pipes(self) -> None:
        """Close this process's ends of the pipes."""
        for pipe in (self._calls, self._answers):
            with contextlib.suppress(OSError):
                pipe.close()

    def _end_call(self) -> None:
        """Note that the child stands between two calls again."""
        self.calls += 1
        self._broken = False

    def _await_ready(self) -> None:
        """Wait for the child's first word, which does not count towards a file's time."""
        if self._ready:
            return
        frame = self._read(START_TIMEOUT_S, max_bytes=0)
        if frame is None or frame.kind != "ready":
            why = "no answer" if frame is None else str(frame.payload.facts.get("message", ""))
            self.close()
            raise EngineError(f"the decoder process for {self.module} does not start: {why.strip()[-2000:]}")
        self._ready = True

    def _receive(self, limits: Limits) -> Frame:
        """Return the next message, or raise what it or the child's end says."""
        frame = self._read(limits.decode_timeout_s, max_bytes=limits.max_memory_bytes)
        if frame is None:
            raise self._obituary(limits)
        if frame.kind == "error":
            if frame.payload.facts.get("code") != "memory":  # after which a child may be too full to go on
                self._end_call()
            raise _error_of(frame.payload.facts, limits)
        if frame.kind not in ("value", "item", "end"):
            self.close()
            raise CorruptMediaError("the decoder process answered out of turn; the file is damaged or hostile")
        return frame

    def _read(self, timeout_s: float, *, max_bytes: int) -> Frame | None:
        """Return the next message; None when the child ended, broke the protocol or had to be killed."""
        timer = threading.Timer(timeout_s, self._expire)
        timer.daemon = True
        timer.start()
        try:
            return read_frame(self._answers, max_bytes=max_bytes)
        except (WireError, OSError):
            return None
        finally:
            timer.cancel()

    def _expire(self) -> None:
        """Kill a child that took too long; the read in progress then ends."""
        self._timed_out = True
        self._process.kill()

    def _obituary(self, limits: Limits) -> WitnessmarkError:
        """Say what the end of the child means for the file."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1.0)  # the pipe may close a moment before the process ends
        status = self._process.poll()
        self.close()
        if self._timed_out:
            return DecodeTimeoutError(f"decoding took longer than {limits.decode_timeout_s:g} s and was stopped")
        if status is None:
            return CorruptMediaError("the decoder process broke its protocol; the file is damaged or hostile")
        if -status == getattr(signal, "SIGXCPU", None):
            return DecodeTimeoutError(f"decoding took more than {limits.decode_cpu_s:g} s of processor time")
        if -status == getattr(signal, "SIGKILL", None):
            return MediaTooLargeError("the decoder process was killed from outside, most likely for want of memory")
        name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return CorruptMediaError(f"the decoder crashed on this file ({name}); the file is damaged or hostile")


def _error_of(facts: Mapping[str, Any], limits: Limits) -> WitnessmarkError:
    """Turn an error message of the child into the exception of its code."""
    code, message = str(facts.get("code")), str(facts.get("message"))
    if code == "memory":
        return MediaTooLargeError(f"decoding needs more than {limits.max_memory_bytes // 2**20} MB of memory")
    known = _errors_by_code()
    if code in known:
        return known[code](message)
    _log.debug("decoder failed: %s", facts.get("traceback"))
    return CorruptMediaError(f"the file is cut short or damaged and does not decode; get the original ({message})")


def _errors_by_code() -> dict[str, type[WitnessmarkError]]:
    """Return every error class by its code."""
    found: dict[str, type[WitnessmarkError]] = {}
    pending: list[type[WitnessmarkError]] = [WitnessmarkError]
    while pending:
        kind = pending.pop()
        found[kind.code] = kind
        pending += kind.__subclasses__()
    return found


def _import_path() -> list[str]:
    """Return the folders that this process imports from; relative ones stay out, the child runs elsewhere."""
    here = str(Path(detect.__file__).resolve().parents[1])
    return [entry for entry in (*sys.path, here) if os.path.isabs(entry)]


def _environment() -> dict[str, str]:
    """Return the child's variables: the kept ones, and one thread for each numeric library."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT_VARIABLES or name.startswith("LC_")}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    heap = {"MALLOC_MMAP_THRESHOLD_": KEPT_HEAP_BYTES, "MALLOC_TRIM_THRESHOLD_": KEPT_HEAP_BYTES}
    arenas = {"MALLOC_ARENA_MAX": "2"}  # an arena for each thread would reserve 64 MB of address space
    return {**kept, **threads, **arenas, **{name: str(size) for name, size in heap.items()}}


def _widen(pipe: RawIOBase) -> None:
    """Ask for a larger pipe buffer where the system has such a call (Linux)."""
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)

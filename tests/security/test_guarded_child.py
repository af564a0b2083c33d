"""A child that crashes, hangs, lies or eats memory is one named error; the next file works."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from detect.errors import CorruptMediaError, DecodeTimeoutError, EngineError, MediaError, MediaTooLargeError
from detect.media import Limits
from detect.media.sandbox import SANDBOX, Sandbox

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and limits")

MIB = 2**20


@pytest.fixture(autouse=True)
def the_next_call_works(sandbox: Sandbox) -> Iterator[None]:
    yield
    assert sandbox.call("misbehaviour:behave", {}).facts["pid"] > 0


@pytest.mark.parametrize("how", ["follow_null_pointer", "abort", "leave"])
def test_a_crash_is_a_corrupt_file(sandbox: Sandbox, how: str) -> None:
    with pytest.raises(CorruptMediaError, match=r"crashed|exit status"):
        sandbox.call(f"misbehaviour:{how}", {})


def test_a_child_killed_from_outside_is_told_apart(sandbox: Sandbox) -> None:
    with pytest.raises(MediaTooLargeError, match="killed from outside"):
        sandbox.call("misbehaviour:kill_itself", {})


def test_a_child_killed_while_idle_costs_nothing(sandbox: Sandbox) -> None:
    pid = sandbox.call("misbehaviour:behave", {}).facts["pid"]
    os.kill(pid, signal.SIGKILL)
    assert sandbox.call("misbehaviour:behave", {}).facts["pid"] != pid


@pytest.mark.parametrize("how", ["sleep", "sleep_in_c"])
def test_a_hang_ends_at_the_time_limit(sandbox: Sandbox, how: str) -> None:
    sandbox.call("misbehaviour:behave", {})
    started = time.monotonic()
    with pytest.raises(DecodeTimeoutError, match=r"longer than 0\.5 s"):
        sandbox.call(f"misbehaviour:{how}", {}, limits=Limits(decode_timeout_s=0.5))
    assert time.monotonic() - started < 10


@pytest.mark.timeout(300)
def test_an_endless_loop_ends_at_the_processor_limit(sandbox: Sandbox) -> None:
    with pytest.raises(DecodeTimeoutError, match="processor time"):
        sandbox.call("misbehaviour:spin", {}, limits=Limits(decode_timeout_s=200, decode_cpu_s=0.2))


@pytest.mark.parametrize("how", ["grab_memory", "hoard_memory", "grow_text"])
def test_hunger_for_memory_ends_at_the_memory_limit(sandbox: Sandbox, how: str) -> None:
    with pytest.raises(MediaTooLargeError, match="256 MB"):
        sandbox.call(f"misbehaviour:{how}", {}, limits=Limits(max_memory_bytes=256 * MIB, decode_timeout_s=60))


def test_the_limits_are_of_the_call_and_not_of_the_child(sandbox: Sandbox) -> None:
    sandbox.call("misbehaviour:behave", {}, limits=Limits(max_memory_bytes=200 * MIB))
    answer = sandbox.call("misbehaviour:exceed_its_answer", {}, limits=Limits(max_memory_bytes=800 * MIB))
    assert answer.arrays["large"].size == 3_000_000


def test_an_answer_larger_than_the_limit_is_not_read(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.call("misbehaviour:behave", {})
    worker = sandbox._idle[-1]
    read = worker._read
    monkeypatch.setattr(worker, "_read", lambda timeout_s, **_: read(timeout_s, max_bytes=1_000_000))
    with pytest.raises(CorruptMediaError, match="protocol"):
        sandbox.call("misbehaviour:exceed_its_answer", {})


def test_a_child_that_writes_nonsense_is_not_believed(sandbox: Sandbox) -> None:
    with pytest.raises(CorruptMediaError, match=r"protocol|out of turn"):
        sandbox.call("misbehaviour:write_nonsense", {})


@pytest.mark.parametrize(
    ("function", "error"),
    [("stall_in_stream", DecodeTimeoutError), ("crash_in_stream", CorruptMediaError)],
)
def test_a_stream_that_breaks_gives_what_came_before(sandbox: Sandbox, function: str, error: type[MediaError]) -> None:
    sandbox.call("misbehaviour:behave", {})
    stream = sandbox.stream(f"misbehaviour:{function}", {}, limits=Limits(decode_timeout_s=2))
    assert next(stream).facts == {"number": 0}
    with pytest.raises(error):
        next(stream)


def test_trouble_of_one_thread_is_not_trouble_of_another(sandbox: Sandbox) -> None:
    errors: list[str] = []

    def trouble() -> None:
        for how in ("abort", "leave", "kill_itself"):
            try:
                sandbox.call(f"misbehaviour:{how}", {})
            except MediaError as error:
                errors.append(error.code)

    thread = threading.Thread(target=trouble)
    thread.start()
    while thread.is_alive():
        assert sandbox.call("misbehaviour:behave", {}).facts["pid"] > 0
    thread.join()
    assert errors == ["corrupt_media", "corrupt_media", "media_too_large"]


def test_killing_the_decoders_between_two_pictures_costs_no_picture(
    honest: dict[str, bytes], decode: Callable[..., np.ndarray]
) -> None:
    shapes = []
    for _ in range(3):
        shapes.append(decode(honest["jpeg"]).shape)
        for worker in list(SANDBOX._idle):
            os.kill(worker.pid, signal.SIGKILL)
    assert shapes == [(72, 96, 3)] * 3


def test_children_that_all_end_before_they_begin_are_an_engine_error(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("detect.media.worker.Worker.begin", lambda *_: False)
        with pytest.raises(EngineError, match="in a row"):
            sandbox.call("misbehaviour:behave", {})


def _can_leave_network() -> bool:
    """Whether this machine lets a process make a network of its own, asked of another program."""
    tool = shutil.which("unshare")
    options = ["-n"] if os.geteuid() == 0 else ["-r", "-n"]
    return tool is not None and subprocess.run([tool, *options, "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="namespaces")
def test_a_decoder_reaches_no_network(sandbox: Sandbox) -> None:
    if not _can_leave_network():
        pytest.skip("this machine allows no network namespaces")
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(CorruptMediaError, match="unreachable"):
        sandbox.call("misbehaviour:phone_home", {"port": server.getsockname()[1]})


def test_the_child_itself_refuses_functions_outside_its_packages(sandbox: Sandbox) -> None:
    with pytest.raises(CorruptMediaError, match="os:getpid is outside"):
        sandbox.call("misbehaviour:look_outside", {})


def test_no_process_and_no_zombie_is_left(sandbox: Sandbox) -> None:
    pids = {sandbox.call("misbehaviour:behave", {}).facts["pid"]}
    for how in ("abort", "leave"):
        with pytest.raises(CorruptMediaError):
            sandbox.call(f"misbehaviour:{how}", {})
        pids.add(sandbox.call("misbehaviour:behave", {}).facts["pid"])
    sandbox.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

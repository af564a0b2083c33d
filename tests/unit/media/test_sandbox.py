from __future__ import annotations

import math
import os
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from detect.errors import ConfigError, CorruptMediaError, EngineError, MediaTooShortError
from detect.media import Limits
from detect.media.sandbox import Sandbox

ECHO = "well_behaved:echo"


def test_facts_go_in_and_come_back(sandbox: Sandbox) -> None:
    sent = {"text": "Zürich \udcff", "number": 1.5, "nothing": None, "list": [1, [True]]}
    facts = dict(sandbox.call(ECHO, sent).facts)
    assert facts.pop("pid") != os.getpid()
    assert facts == sent


def test_arrays_come_back_as_they_are(sandbox: Sandbox) -> None:
    arrays = sandbox.call("well_behaved:arrays", {}).arrays
    np.testing.assert_array_equal(arrays["turned"], np.arange(12, dtype=np.uint8).reshape(3, 4)[::-1, ::2])
    assert arrays["turned"].flags.writeable
    assert arrays["empty"].shape == (0, 3)
    assert arrays["wide"].tolist() == [[-1.5, math.inf]]
    assert arrays["flags"].dtype == np.bool_


def test_the_child_is_used_again(sandbox: Sandbox) -> None:
    assert len({sandbox.call(ECHO, {}).facts["pid"] for _ in range(5)}) == 1


def test_the_child_is_replaced_after_its_share_of_calls(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    sandbox.close()
    monkeypatch.setattr(sandbox, "_max_calls", 2)
    pids = [sandbox.call(ECHO, {}).facts["pid"] for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_concurrent_callers_have_a_child_each(sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(3) as threads:
        answers = list(threads.map(lambda _: sandbox.call("well_behaved:nap", {"seconds": 0.5}), range(3)))
    assert len({answer.facts["pid"] for answer in answers}) >= 2
    assert len(sandbox._idle) <= 2  # what max_idle of the fixture allows


def test_many_threads_get_their_own_answers(sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda n: sandbox.call(ECHO, {"n": n}).facts["n"], range(60)))
    assert answers == list(range(60))


def test_the_child_is_a_clean_interpreter(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "abc")
    facts = sandbox.call("well_behaved:surroundings", {}).facts
    assert facts["torch"] is False
    assert facts["isolated"] == 1
    assert "SECRET_KEY" not in facts["variables"]
    assert facts["variables"]["OMP_NUM_THREADS"] == "1"
    assert facts["folder"] == os.path.abspath(os.sep)


def test_what_a_library_prints_does_not_disturb_the_answer(sandbox: Sandbox) -> None:
    assert sandbox.call("well_behaved:print_loudly", {}).facts == {"printed": True}


def test_a_named_error_keeps_its_class_and_the_child(sandbox: Sandbox) -> None:
    before = sandbox.call(ECHO, {}).facts["pid"]
    with pytest.raises(MediaTooShortError, match=r"^only 0\.2 s of sound$"):
        sandbox.call("well_behaved:too_short", {})
    assert sandbox.call(ECHO, {}).facts["pid"] == before


def test_any_other_error_is_a_corrupt_file(sandbox: Sandbox) -> None:
    with pytest.raises(CorruptMediaError, match="KeyError"):
        sandbox.call("well_behaved:surprise", {})


@pytest.mark.parametrize("name", ["os:getpid", "subprocess:run", "detect.errors:MediaError", "well_behavedx:echo"])
def test_a_function_outside_the_allowed_packages_is_not_run(sandbox: Sandbox, name: str) -> None:
    with pytest.raises(ConfigError, match="outside"):
        sandbox.call(name, {})


def test_a_child_that_cannot_start_says_why(sandbox: Sandbox) -> None:
    with pytest.raises(EngineError, match=r"No module named 'well_behaved\.missing'"):
        sandbox.call("well_behaved.missing:echo", {})
    assert sandbox.call(ECHO, {"n": 1}).facts["n"] == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no resource limits")
def test_the_child_can_neither_write_files_nor_open_many(sandbox: Sandbox, tmp_path: object) -> None:
    with pytest.raises(CorruptMediaError, match="File too large"):
        sandbox.call("well_behaved:write_file", {"path": f"{tmp_path}/x"})
    with pytest.raises(CorruptMediaError, match="Too many open files"):
        sandbox.call("well_behaved:descriptors", {})


def test_a_generator_is_a_stream(sandbox: Sandbox) -> None:
    items = list(sandbox.stream("well_behaved:count", {"stop": 5}))
    assert [item.facts["number"] for item in items] == [0, 1, 2, 3, 4]
    assert all((item.arrays["frame"] == n).all() for n, item in enumerate(items))
    assert sandbox.call(ECHO, {}).facts["pid"] == items[0].facts["pid"]  # the child is free again


def test_an_error_in_the_middle_of_a_stream_comes_after_the_items_before_it(sandbox: Sandbox) -> None:
    seen = []
    with pytest.raises(CorruptMediaError, match="damaged frame"):
        for item in sandbox.stream("well_behaved:count", {"stop": 5, "fail_at": 3}):
            seen.append(item.facts["number"])
    assert seen == [0, 1, 2]


def test_leaving_a_stream_early_ends_its_child_and_the_next_call_works(sandbox: Sandbox) -> None:
    stream = sandbox.stream("well_behaved:count", {"stop": 10**6})
    pid = next(stream).facts["pid"]
    stream.close()  # type: ignore[attr-defined]
    assert not os.path.exists(f"/proc/{pid}")
    assert sandbox.call(ECHO, {"n": 1}).facts["n"] == 1


def test_the_clock_of_a_stream_counts_for_each_item(sandbox: Sandbox) -> None:
    limits = Limits(decode_timeout_s=5.0)
    items = sandbox.stream("well_behaved:count", {"stop": 4, "pause_s": 0.1}, limits=limits)
    started = time.monotonic()
    for _ in items:
        time.sleep(1.5)  # a slow reader is no slow decoder
    assert time.monotonic() - started > limits.decode_timeout_s


def test_a_generator_cannot_be_called_as_a_function(sandbox: Sandbox) -> None:
    with pytest.raises(EngineError, match="stream"):
        sandbox.call("well_behaved:count", {"stop": 2})


def test_warm_starts_a_child_that_the_first_call_uses(sandbox: Sandbox) -> None:
    sandbox.close()
    sandbox.warm(ECHO)
    sandbox.warm(ECHO)
    assert len(sandbox._idle) == 1
    assert sandbox.call(ECHO, {}).facts["pid"] == sandbox._idle[-1].pid


def test_closing_ends_every_child_and_the_pool_starts_anew(sandbox: Sandbox) -> None:
    pid = sandbox.call(ECHO, {}).facts["pid"]
    sandbox.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)  # gone and waited for: no zombie either
    assert sandbox.call(ECHO, {}).facts["pid"] != pid


def test_no_open_file_and_no_thread_is_left_behind(sandbox: Sandbox) -> None:
    sandbox.close()
    open_before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(3):
        sandbox.call(ECHO, {})
        sandbox.close()
    if open_before:
        assert len(os.listdir("/proc/self/fd")) == open_before
    assert threading.active_count() < 20


def test_an_interpreter_without_executable_is_told_so(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.close()
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(EngineError, match=r"sys\.executable"):
        sandbox.call(ECHO, {})


def test_no_process_left_is_an_engine_error(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    sandbox.close()
    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(EngineError, match="Resource temporarily"):
        sandbox.call(ECHO, {})


def test_limits_that_are_no_limits_never_reach_the_child(sandbox: Sandbox) -> None:
    with pytest.raises(ConfigError):
        sandbox.call(ECHO, {}, limits=Limits(decode_timeout_s=0))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_forked_process_leaves_the_children_of_its_parent_alone(sandbox: Sandbox) -> None:
    before = sandbox.call(ECHO, {}).facts["pid"]
    forked = os.fork()
    if forked == 0:
        try:
            other = sandbox.call(ECHO, {}).facts["pid"]
            sandbox.close()
            os._exit(0 if other != before else 3)
        except BaseException:
            os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1]) == 0
    assert sandbox.call(ECHO, {}).facts["pid"] == before


PARENT = """
    import os, sys, threading, time
    from detect.media import Limits
    from detect.media.sandbox import Sandbox
    sandbox = Sandbox(packages=("well_behaved",))
    print(sandbox.call("well_behaved:echo", {}).facts["pid"], flush=True)
    if sys.argv[1] == "busy":
        nap = lambda: sandbox.call("well_behaved:nap", {"seconds": 600}, limits=Limits(decode_timeout_s=600))
        threading.Thread(target=nap, daemon=True).start()
        time.sleep(0.5)
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("state", ["idle", "busy"])
@pytest.mark.parametrize("end", ["killed", "normal"])
def test_children_end_with_their_parent(state: str, end: str) -> None:
    guarded = os.path.join(os.path.dirname(__file__), "guarded")
    script = f"import sys; sys.path.append({guarded!r})\n" + textwrap.dedent(PARENT)
    parent = subprocess.Popen(
        [sys.executable, "-c", script, state], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdin is not None and parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert parent.stdout.readline() == "ready\n"
    os.kill(pid, 0)
    if end == "killed":
        parent.kill()
    parent.stdin.close()
    parent.wait(30)
    parent.stdout.close()
    deadline = time.monotonic() + 30
    while _is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_running(pid)


def _is_running(pid: int) -> bool:
    """Whether the process lives; one that waits to be collected by init does not."""
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

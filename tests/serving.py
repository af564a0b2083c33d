"""The service in a process of its own, as people start it, for tests that talk to it over HTTP."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

from detect.client import Client


@contextlib.contextmanager
def serving(*words: str, timeout_s: float = 110, **variables: str) -> Iterator[str]:
    """Start `witnessmark serve` on a free port, yield its address once it is ready, and see it stop when told to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "detect.cli", "serve", "--port", str(port), *words],
        env={**os.environ, "OMP_NUM_THREADS": "1", **variables},
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        with Client(url) as client:
            client.wait_until_ready(timeout_s=timeout_s)
        yield url
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=90) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()

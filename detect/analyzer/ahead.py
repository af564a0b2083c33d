"""What a first file of a kind needs later is started while the file is still being read: its decoder, its model.

A start is mostly loading. One after the other, the process of the decoder, provenance and the model add up; side by
side, the slowest of them is what a person waits for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from detect.types import MediaKind

Load = Callable[[], object]
_CALLS = {MediaKind.IMAGE: "detect.media.pixels:decode", MediaKind.AUDIO: "detect.media.audio:read_blocks"}


class Ahead:
    """Starts, once a kind of media, the decoder's process and the loading of its model; safe for several threads.

    Args:
        loads: What loads the model of each kind. An error is dropped here: it comes up again where the model is used.
    """

    def __init__(self, loads: Mapping[MediaKind, Load]) -> None:
        self._waiting = dict(loads)
        self._lock = threading.Lock()

    def start(self, kind: MediaKind) -> None:
        """Start what files of that kind need; returns at once, and does nothing the second time."""
        with self._lock:
            load = self._waiting.pop(kind, None)
        if load is None:
            return
        from detect.media.sandbox import SANDBOX

        SANDBOX.warm(_CALLS[kind])
        pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        pool.submit(load)
        pool.shutdown(wait=False)

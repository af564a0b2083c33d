"""A small Analyzer for tests of the service: same methods, no model, an answer that depends on the bytes alone."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import BinaryIO

from detect.errors import CorruptMediaError, EngineBusyError, EngineError
from detect.media import open_source
from detect.types import MediaFacts, MediaKind, Report
from tests.unit.api.clips import clip_report
from tests.unit.render.samples import picture_report, recording_report

_REPORTS = {MediaKind.AUDIO: recording_report, MediaKind.VIDEO: clip_report}


class FakeAnalyzer:
    """Opens and sniffs files as the real one does, then makes up the same report for all of a kind.

    Bytes that hold `BROKEN` fail as corrupt, `CRASH` raises what no code expects, `ENGINE` what is ours alone, `SLOW`
    takes `slow_s`. The first `busy_times` files find the engine busy.
    """

    fingerprint = "f" * 64
    width = 2

    def __init__(self, *, slow_s: float = 0.3) -> None:
        self.slow_s = slow_s
        self.busy_times = 0
        self.gate = threading.Event()
        self.gate.set()
        self.judged: list[str] = []

    def analyze(self, file: BinaryIO, *, name: str | None = None) -> Report:
        self.gate.wait(10)
        with open_source(file, name=name) as source:
            content = source.path.read_bytes()
            if b"BROKEN" in content:
                raise CorruptMediaError(f"{source.name}: made to fail")
            if self.busy_times > 0:
                self.busy_times -= 1
                raise EngineBusyError("the queue is full")
            if b"ENGINE" in content:
                raise EngineError("no decoder: /home/someone/secret")
            if b"CRASH" in content:
                raise RuntimeError("secret path /home/someone")
            if b"SLOW" in content:
                time.sleep(self.slow_s)
            self.judged.append(source.sha256)
            base = _REPORTS.get(source.kind, picture_report)()
            assert base.media is not None
            media: MediaFacts = replace(
                base.media, name=source.name, sha256=source.sha256, bytes=source.size, format=source.format
            )
            return replace(base, media=media, path=source.name)

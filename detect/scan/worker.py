"""The process that judges: takes items from a pipe, gives rows back one by one, ends when the pipe does."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import Future
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from detect.analyzer import AnalyzerSettings
from detect.errors import WitnessmarkError
from detect.scan.known import KnownContents

if TYPE_CHECKING:
    from detect.scan.rows import Row


def serve(link: Connection, settings: AnalyzerSettings, cpu_lanes: int, known: Path) -> None:
    """Judge until the other end closes.

    Messages in: `(place, item)`. Messages out: `("ready",)` or `("failed", code, text)` once, then
    `("row", place, row)`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's matter
    os.environ["OMP_NUM_THREADS"] = str(cpu_lanes)  # torch, when it comes to be loaded, keeps to the lanes
    from detect.scan.judge import ItemJudge

    sending = threading.Lock()

    def send(message: tuple[object, ...]) -> None:
        with sending:
            link.send(message)

    try:
        contents = KnownContents(known, is_reader=True)
        judge = ItemJudge(settings, cpu_lanes=cpu_lanes, is_known=contents.has)
    except WitnessmarkError as error:
        send(("failed", error.code, str(error)))
        return
    send(("ready",))
    try:
        while True:
            for place, item in link.recv():

                def answer(future: Future[Row], place: object = place) -> None:
                    try:
                        send(("row", place, future.result()))
                    except OSError:  # the parent is gone
                        os._exit(1)

                judge.submit(item).add_done_callback(answer)
    except (EOFError, OSError):
        os._exit(0)  # no thread may hold up the end: nobody waits for its row

"""Items in, rows out: what one process, or one Ray actor, does with the files it is handed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from detect.analyzer import Analyzer, AnalyzerSettings
from detect.engine import LocalEngine
from detect.errors import EngineError, WitnessmarkError
from detect.scan.items import Item
from detect.scan.rows import Row, error_row, known_row, row_of

log = logging.getLogger(__name__)

_LOOK_AHEAD = 2
_GPU_FILES = 16


class ItemJudge:
    """An Analyzer with threads: while some files wait for the model, others are read and decoded.

    Args:
        settings: Every knob of the analysis.
        cpu_lanes: Cores that the model may use.
        is_known: Whether a content (SHA-256) needs no second look; called from several threads.
    """

    def __init__(
        self, settings: AnalyzerSettings, *, cpu_lanes: int, is_known: Callable[[str], bool] = lambda sha256: False
    ) -> None:
        """Load the picture model.

        Raises:
            ModelError: It cannot be loaded; no file could be judged.
        """
        self.analyzer = Analyzer(settings, engine=LocalEngine(cpu_lanes=cpu_lanes))
        device = self.analyzer.image_examiner.scorer.device
        self.width = cpu_lanes + _LOOK_AHEAD if device == "cpu" else max(_GPU_FILES, cpu_lanes + _LOOK_AHEAD)
        self._is_known = is_known
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(self.width, thread_name_prefix="judge")

    def submit(self, item: Item) -> Future[Row]:
        """Begin with an item; its row never fails."""
        return self._pool.submit(self.judge, item)

    def judge_all(self, items: Iterable[Item]) -> list[Row]:
        """Return one row an item, in order."""
        return [future.result() for future in [self.submit(item) for item in items]]

    def judge(self, item: Item) -> Row:
        """Return the row of an item; what cannot be judged is a row with its error."""
        sha256 = None
        try:
            with item.open(self.analyzer.settings.limits) as source:
                sha256 = source.sha256
                with self._lock:
                    is_known = self._is_known(sha256)
                if is_known:
                    return known_row(item.name, sha256)
                return row_of(item.name, replace(self.analyzer.analyze(source), path=item.name))
        except WitnessmarkError as error:
            return error_row(item.name, error, sha256=sha256)
        except Exception:  # the border of the scan: one file must not end it
            log.exception("judging a file failed")
            return error_row(item.name, EngineError("the analysis failed; the log says why"), sha256=sha256)

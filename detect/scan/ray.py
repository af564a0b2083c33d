"""A scan on Ray Data: actors over the cluster judge chunks, rows stream back in order to the one who writes.

Ray places and restarts actors, holds back readers that are too fast, and does again what a lost actor or node had under
way. Reading the source, one answer a content, checkpoints and the table are the scan's own, so a scan on a cluster
gives the same rows as one on a laptop.
"""

from __future__ import annotations

import itertools
import logging
import pickle
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from detect.analyzer import AnalyzerSettings
from detect.cluster.connect import connect
from detect.errors import EngineError
from detect.scan.items import Item
from detect.scan.judge import ItemJudge
from detect.scan.plan import ScanPlan
from detect.scan.rows import Row

SEGMENT_CHUNKS = 2_000
"""Chunks that one run of Ray Data gets: actors load the model once for so many, and the driver holds no more."""

SEGMENT_BYTES = 1024**3
"""Bytes carried by one segment, for archives that had to be read in order."""

_BATCH_CHUNKS = 4
"""Chunks that an actor works on together, so that its model does not run dry at the end of each."""
_MAX_DEATHS = 4


def make_executor(plan: ScanPlan, known: Path) -> RayData:
    """Return the executor that `scan` asks for."""
    return RayData(plan)


class RayData:
    """Judges chunks on a Ray cluster.

    Args:
        plan: Its `processes` is the number of actors; 0 = as many as the cluster has GPUs, or else cores.
        address: Of the cluster; default: `RAY_ADDRESS`, or a cluster inside this process.
    """

    def __init__(self, plan: ScanPlan, *, address: str | None = None) -> None:
        self._plan = plan
        self._ray = connect(address)
        resources = self._ray.cluster_resources()
        self._gpus = 0.0 if plan.settings.device == "cpu" else float(resources.get("GPU", 0))
        self.actors = plan.processes or int(self._gpus) or max(1, int(resources.get("CPU", 1)))

    def run(self, chunks: Iterable[list[Item]]) -> Iterator[list[Row]]:
        """Yield the rows of each chunk, in the order of the chunks.

        Raises:
            EngineError: The cluster lost actors again and again, or no actor can load the model.
        """
        source = iter(chunks)
        while segment := _take_segment(source):
            yield from self._judge(segment)

    def close(self) -> None:
        """Nothing stays behind: actors end with their segment."""

    def _judge(self, segment: list[bytes]) -> Iterator[list[Row]]:
        import ray.data
        from ray.exceptions import RayError

        logging.getLogger("ray.data").setLevel(logging.WARNING)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.execution_options.preserve_order = True
        gpus = self._gpus / self.actors if self._gpus else 0.0
        settings = replace(self._plan.settings, device="cuda" if gpus else self._plan.settings.device)
        judged = ray.data.from_items(
            [{"items": chunk} for chunk in segment], override_num_blocks=min(len(segment), 8 * self.actors)
        ).map_batches(
            ChunkJudge,
            batch_size=_BATCH_CHUNKS,
            batch_format="pyarrow",
            fn_constructor_args=(settings,),
            compute=ray.data.ActorPoolStrategy(size=self.actors),
            num_cpus=1,
            num_gpus=gpus,
            max_restarts=-1,
            max_task_retries=_MAX_DEATHS,
        )
        try:
            for row in judged.iter_rows():
                yield pickle.loads(row["rows"])  # noqa: S301 - written by our own actors
        except RayError as error:
            raise EngineError(
                f"the cluster failed ({type(error).__name__}: {str(error).splitlines()[0]}); "
                "the same command goes on from the last checkpoint"
            ) from error


class ChunkJudge:
    """One actor: an Analyzer on one core, or on its share of a GPU."""

    def __init__(self, settings: AnalyzerSettings) -> None:
        self._judge = ItemJudge(settings, cpu_lanes=1)

    def __call__(self, batch: Any) -> dict[str, list[bytes]]:
        """Return the rows of each chunk of a batch, pickled."""
        chunks = [pickle.loads(cell.as_py()) for cell in batch["items"]]  # noqa: S301 - written by our own driver
        under_way = [[self._judge.submit(item) for item in chunk] for chunk in chunks]
        return {"rows": [pickle.dumps([future.result() for future in chunk]) for chunk in under_way]}


def _take_segment(source: Iterator[list[Item]]) -> list[bytes]:
    """Return the next chunks, pickled, up to the limits of a segment."""
    segment: list[bytes] = []
    carried = 0
    for chunk in itertools.islice(source, SEGMENT_CHUNKS):
        segment.append(pickle.dumps(chunk))
        carried += len(segment[-1])
        if carried >= SEGMENT_BYTES:
            break
    return segment

"""A scan on Ray Data: actors over the cluster judge chunks, rows stream back to the one who writes.

Ray places actors and holds back readers that are too fast. Reading the source, one answer a content, checkpoints and
the table are the scan's own, so a scan on a cluster gives the same rows as one on a laptop. Losses are the scan's own
affair too (`detect.scan.losses`): Ray would start a lost actor again and hand its tasks to it for as long as it takes,
which is for ever when the node that it stood on does not come back.
"""

from __future__ import annotations

import gc
import itertools
import logging
import pickle
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from detect.analyzer import AnalyzerSettings
from detect.cluster.connect import connect
from detect.scan.items import Item
from detect.scan.judge import ItemJudge
from detect.scan.losses import RunLostError, judge_through
from detect.scan.plan import ScanPlan
from detect.scan.rows import Row

SEGMENT_CHUNKS = 2_000
"""Chunks that one run of Ray Data gets: actors load the model once for so many, and the driver holds no more."""

SEGMENT_BYTES = 1024**3
"""Bytes carried by one segment, for archives that had to be read in order."""

_BLOCK_CHUNKS = 4
"""Chunks that an actor works on together, so that its model does not run dry at the end of each; a loss costs few."""
_SILENCE_S = 3600.0
"""Ray Data gives up when no block has moved for so long; its own half hour is short for a block of long clips."""


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

    def run(self, chunks: Iterable[list[Item]]) -> Iterator[list[Row]]:
        """Yield the rows of each chunk, in the order of the chunks; lost actors and nodes cost time, no rows.

        Raises:
            EngineError: Nobody is left who could judge, or no actor can load the model.
        """
        source = iter(chunks)
        while segment := _take_segment(source):
            yield from judge_through(segment, self._judge)

    def close(self) -> None:
        """Nothing stays behind: actors end with their run."""

    def _judge(self, chunks: Mapping[int, bytes]) -> Iterator[tuple[int, list[Row]]]:
        """Judge chunks in one run of Ray Data, on the cluster as it is now; give rows as they come."""
        import ray.data
        from ray.exceptions import RayError

        _set_up_ray_data()
        lost = ""
        judged: Any = None
        try:
            judged = self._dataset(chunks)
            for row in judged.iter_rows():
                yield row["number"], pickle.loads(row["rows"])  # noqa: S301 - written by our own actors
        except (RayError, ray.data.exceptions.ExecutionTimeoutError) as error:
            lost = f"Ray lost work ({type(error).__name__}: {_first_line(error)})"
        if lost:
            # Actors end, and free their cores for the next run, when nothing here holds them; a traceback would.
            judged = None
            gc.collect()
            raise RunLostError(lost)

    def _dataset(self, chunks: Mapping[int, bytes]) -> Any:
        """Return the run that judges some chunks; nothing is done before its rows are asked for."""
        import ray.data

        blocks = -(-len(chunks) // _BLOCK_CHUNKS)
        actors, gpus = self._actors()
        settings = replace(self._plan.settings, device="cuda" if gpus else self._plan.settings.device)
        return ray.data.from_items(
            [{"number": number, "items": chunk} for number, chunk in chunks.items()], override_num_blocks=blocks
        ).map_batches(
            ChunkJudge,
            batch_size=_BLOCK_CHUNKS,
            batch_format="pyarrow",
            fn_constructor_args=(settings,),
            compute=ray.data.ActorPoolStrategy(size=min(actors, blocks)),
            num_cpus=1,
            num_gpus=gpus,
            max_restarts=-1,  # an idle one that is lost comes back; what one had under way fails the run at once
            max_task_retries=0,
        )

    def _actors(self) -> tuple[int, float]:
        """Return how many actors the cluster has room for, or was asked for, and the GPUs of each."""
        resources = self._ray.cluster_resources()
        gpus = 0.0 if self._plan.settings.device == "cpu" else float(resources.get("GPU", 0))
        actors = self._plan.processes or int(gpus) or max(1, int(resources.get("CPU", 1)))
        return actors, gpus / actors if gpus else 0.0


class ChunkJudge:
    """One actor: an Analyzer on one core, or on its share of a GPU."""

    def __init__(self, settings: AnalyzerSettings) -> None:
        self._judge = ItemJudge(settings, cpu_lanes=1)

    def __call__(self, batch: Any) -> dict[str, list[Any]]:
        """Return the numbers of a batch's chunks and the rows of each, pickled."""
        chunks = [pickle.loads(cell.as_py()) for cell in batch["items"]]  # noqa: S301 - written by our own driver
        under_way = [[self._judge.submit(item) for item in chunk] for chunk in chunks]
        rows = [pickle.dumps([future.result() for future in chunk]) for chunk in under_way]
        return {"number": batch["number"].to_pylist(), "rows": rows}


def _set_up_ray_data() -> None:
    import ray.data

    # What breaks off is told once, by us; Ray would ask the reader to report it as a bug of Ray.
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = False  # a slow file holds up nobody; `judge_through` puts rows in order
    context.execution_no_progress_timeout_s = _SILENCE_S


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or "no reason given").splitlines()[0][:300]


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

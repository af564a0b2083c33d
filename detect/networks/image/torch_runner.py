"""Run a picture network with torch: on a GPU in half precision, channels last, from recorded graphs.

NOTE: The GPU half of this file was written without a GPU at hand. Its arithmetic is tested on the CPU; its speed is
not measured anywhere yet (docs/scale.md says so too).

What a GPU gets: uint8 patches through pinned memory (a quarter of the bytes of float32; height x width x channel is
already the channels-last layout, so nothing is copied again), normalisation there, a network in fp16, and one recorded
CUDA graph a batch size, because a small network is bound by launching its kernels. Whatever of this fails falls back to
the plain way, once and with one line in the log. fp16 rather than bf16: three more bits of mantissa, and no activation
of these networks comes near fp16's range.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from detect.networks.image.patch_net import create
from detect.networks.image.patch_scorer import Float64Array
from detect.networks.image.probing import bucket_of, probe_batch, run_in_halves
from detect.networks.zoo import ModelFolder
from detect.types import UInt8Array

log = logging.getLogger(__name__)

CPU_BATCH = 16
MAX_GRAPHS = 12
"""Recorded graphs that a lane keeps; each holds its activations, so old shapes leave."""
_PROBE_S = 0.05


class TorchRunner:
    """Holds a network on one device; see `PatchRunner`.

    Args:
        network: With `forward_map`.
        device: `cpu` or `cuda[:N]`.
        batch: Most patches a call; 0 = 16 on a CPU, found by trial on a GPU.
        dtype: Arithmetic on a GPU; a CPU always computes in float32.
        has_graphs: Whether a GPU runs recorded graphs.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        *,
        device: str = "cpu",
        batch: int = 0,
        dtype: torch.dtype = torch.float16,
        has_graphs: bool = True,
    ) -> None:
        self.device = device
        self._is_cuda = device.startswith("cuda")
        self._dtype = dtype if self._is_cuda else torch.float32
        self._has_graphs = has_graphs and self._is_cuda
        self._local = threading.local()
        self._cpu_lock = threading.Lock()  # torch spreads one call over all cores by itself
        self.network = network.eval().to(device=device, dtype=self._dtype).to(memory_format=torch.channels_last)
        self.batch = batch or (self._probe() if self._is_cuda else CPU_BATCH)

    @classmethod
    def from_folder(cls, folder: ModelFolder, *, device: str) -> TorchRunner:
        """Build the architecture that config.json names and load its weights."""
        return cls(load_network(folder), device=device)

    def run(self, patches: UInt8Array) -> Float64Array:
        """Return maps of logits (N, h, w) for patches (N, H, W, 3) uint8."""
        with torch.inference_mode():
            if not self._is_cuda:
                with self._cpu_lock:
                    return _to_numpy(self._forward(torch.from_numpy(patches)))
            with torch.cuda.device(self.device), torch.cuda.stream(self._lane.stream):
                rows = run_in_halves(self._run_cuda, list(patches), no_memory=torch.OutOfMemoryError)
        return np.stack([np.asarray(row) for row in rows])

    @property
    def _lane(self) -> _Lane:
        """What the calling thread has on the GPU: threads overlap, one copies while another computes."""
        if not hasattr(self._local, "lane"):
            self._local.lane = _Lane(torch.cuda.Stream(self.device))  # type: ignore[no-untyped-call]
        lane: _Lane = self._local.lane
        return lane

    def _run_cuda(self, patches: Sequence[UInt8Array]) -> list[object]:
        """Return the maps of some patches, filled up to a bucket."""
        size = bucket_of(len(patches), self.batch)
        shape = (size, *patches[0].shape)
        pinned = self._lane.pinned(shape)
        pinned[: len(patches)] = torch.from_numpy(np.stack(patches))
        try:
            cells = self._graph(shape)(pinned) if self._has_graphs else self._eager(pinned)
            found = _to_numpy(cells[: len(patches)])
        except torch.OutOfMemoryError:
            self._lane.graphs.clear()
            torch.cuda.empty_cache()
            raise
        return list(found)

    def _eager(self, pinned: Tensor) -> Tensor:
        return self._forward(pinned.to(self.device, non_blocking=True))

    def _forward(self, patches: Tensor) -> Tensor:
        """Return maps for (N, H, W, 3) uint8 on the network's device."""
        x = patches.permute(0, 3, 1, 2).to(self._dtype)  # (N, 3, H, W), channels last in memory
        cells: Tensor = self.network.forward_map(x / 127.5 - 1)  # type: ignore[operator]
        return cells.float()

    def _graph(self, shape: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
        """Return the recorded graph of a shape, or the plain way when recording fails."""
        graphs = self._lane.graphs
        if shape not in graphs:
            try:
                graphs[shape] = _record(self._forward, shape, self.device)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                log.info("no CUDA graph for patches of %s on %s (%s); running without", shape, self.device, error)
                self._has_graphs = False
                return self._eager
            if len(graphs) > MAX_GRAPHS:
                graphs.popitem(last=False)
        graphs.move_to_end(shape)
        return graphs[shape]

    def _probe(self) -> int:
        """Return the batch found by trial with patches of the usual size."""

        def rate_of(size: int) -> float:
            self.batch = size
            patches = np.zeros((size, 224, 224, 3), np.uint8)
            self.run(patches)  # records and warms
            started, calls = time.perf_counter(), 0
            while time.perf_counter() - started < _PROBE_S:
                self.run(patches)
                calls += 1
            return size * calls / (time.perf_counter() - started)

        found = probe_batch(rate_of, no_memory=torch.OutOfMemoryError)
        log.info("%s: batches of %d patches", self.device, found)
        return found


class _Lane:
    """One thread's stream, recorded graphs and pinned memory."""

    def __init__(self, stream: torch.cuda.Stream) -> None:
        self.stream = stream
        self.graphs: OrderedDict[tuple[int, ...], Callable[[Tensor], Tensor]] = OrderedDict()
        self._pinned: dict[tuple[int, ...], Tensor] = {}

    def pinned(self, shape: tuple[int, ...]) -> Tensor:
        """Return memory of that shape that the GPU reads by itself, zeros at first."""
        if shape not in self._pinned:
            if len(self._pinned) > MAX_GRAPHS:
                self._pinned.clear()
            self._pinned[shape] = torch.zeros(shape, dtype=torch.uint8, pin_memory=True)
        return self._pinned[shape]


def _record(forward: Callable[[Tensor], Tensor], shape: tuple[int, ...], device: str) -> Callable[[Tensor], Tensor]:
    """Record one call as a CUDA graph; see "Whole-network capture" in torch's notes on CUDA semantics."""
    fixed = torch.zeros(shape, dtype=torch.uint8, device=device)
    for _ in range(3):  # lets libraries choose their algorithms before recording
        forward(fixed)
    torch.cuda.current_stream().synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"):
        cells = forward(fixed)

    def replay(pinned: Tensor) -> Tensor:
        fixed.copy_(pinned, non_blocking=True)
        graph.replay()
        return cells

    return replay


def _to_numpy(cells: Tensor) -> Float64Array:
    return np.asarray(cells.double().cpu().numpy())


def load_network(folder: ModelFolder) -> torch.nn.Module:
    """Return the network of a model folder with its weights, in eval mode on the CPU."""
    network = create(str(folder.config["architecture"]), **dict(folder.config.get("options", {})))
    network.load_state_dict(load_file(str(folder.weights)))
    return network.eval()

"""Run a picture network with ONNX Runtime, about three times as fast as torch on one CPU core.

The graph is made from the verified weights at first use and kept in the user's cache folder under the weights' hash, so
that the repository holds every weight once and later starts need no torch.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from detect.networks.image.patch_scorer import Float32Array, Float64Array
from detect.networks.zoo import ModelFolder

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)
EXPORT_VERSION = 1
"""Rises whenever the exported graph could change; part of the cache key."""
OPSET = 17
_EXAMPLE_SIDE = 224


class OnnxRunner:
    """Holds an ONNX Runtime session on the CPU; see `PatchRunner`."""

    # One patch a call: a lite network's activations then stay in a core's cache (11 ms against 18 in batches of 16).
    batch = 1
    device = "cpu"

    def __init__(self, graph: bytes, *, threads: int = 0) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # Waiting threads sleep: spinning ones would burn the core that decoding, or another worker, needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    @classmethod
    def from_folder(cls, folder: ModelFolder, *, threads: int = 0) -> OnnxRunner:
        """Take the graph from the cache, or export it from the weights.

        Args:
            folder: The model.
            threads: Cores that one call may use; 0 = all. An engine whose lanes call at the same time gives 1.
        """
        return cls(cached_graph(folder), threads=threads)

    def run(self, x: Float32Array) -> Float64Array:
        """Return maps of logits (N, h, w) for patches (N, 3, H, W) float32 in [-1, 1]."""
        (cells,) = self.session.run(None, {"patches": x})
        return np.asarray(cells, dtype=np.float64)


def cache_dir() -> Path:
    """Return the folder for derived files: WITNESSMARK_CACHE, else the platform's user cache."""
    if named := os.environ.get("WITNESSMARK_CACHE"):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "witnessmark"


def cached_graph(folder: ModelFolder) -> bytes:
    """Return the ONNX graph of a model; a cache that cannot be written only costs the export at each start."""
    key = hashlib.sha256(
        f"{EXPORT_VERSION} {OPSET} {folder.config['sha256']} {dict(folder.config)['architecture']} "
        f"{sorted(dict(folder.config.get('options', {})).items())}".encode()
    ).hexdigest()
    path = cache_dir() / f"{folder.name}-{key[:32]}.onnx"
    try:
        data = path.read_bytes()
        if hashlib.sha256(data[:-32]).digest() == data[-32:]:
            return data[:-32]
    except OSError:
        pass
    from detect.networks.image.torch_runner import load_network

    graph = export_graph(load_network(folder))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as sink:
            sink.write(graph + hashlib.sha256(graph).digest())  # a torn write is found and the graph made anew
        Path(sink.name).replace(path)
    except OSError as error:
        log.info("the exported graph of %s is not kept: %s", folder.name, error)
    return graph


def export_graph(network: nn.Module) -> bytes:
    """Return the ONNX graph of a network's `forward_map`: (n, 3, h, w) float32 in [-1, 1] to (n, rows, columns)."""
    import torch

    class MapOnly(torch.nn.Module):
        def __init__(self, network: torch.nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, patches: torch.Tensor) -> torch.Tensor:
            cells: torch.Tensor = self.network.forward_map(patches)  # type: ignore[operator]
            return cells

    sink = io.BytesIO()
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of every shape that it fixes; the parity test is the check
        torch.onnx.export(
            MapOnly(network).eval(),
            (torch.zeros(1, 3, _EXAMPLE_SIDE, _EXAMPLE_SIDE),),
            sink,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=["patches"],
            output_names=["cells"],
            dynamic_axes={"patches": {0: "n", 2: "h", 3: "w"}, "cells": {0: "n", 1: "rows", 2: "columns"}},
        )
    return sink.getvalue()

"""ONNX graphs of the trained models: made from verified weights at first use, kept in the user's cache, run on the CPU.

The repository holds every weight once; later starts need no torch for what runs here.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import onnxruntime

from detect.errors import WeightsMismatchError
from detect.networks.zoo import ModelFolder

log = logging.getLogger(__name__)

EXPORT_VERSION = 2
"""Rises whenever an exported graph could change; part of the cache key."""
OPSET = 17


def cache_dir() -> Path:
    """Return the folder for derived files: WITNESSMARK_CACHE, else the platform's user cache."""
    if named := os.environ.get("WITNESSMARK_CACHE"):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "witnessmark"


def export_folder(folder: ModelFolder) -> bytes:
    """Return the ONNX graph of any model of the zoo; its weights are trusted to have been verified."""
    if folder.config["kind"] == "speech":
        from detect.networks.audio.speech_graph import export_speech

        return export_speech(folder)
    from detect.networks.image.onnx_runner import export_graph
    from detect.networks.image.torch_runner import load_network

    return export_graph(load_network(folder))


def graph_of(folder: ModelFolder) -> bytes:
    """Return the graph that a model runs on a CPU: the file that its config names, else the one of its weights.

    Raises:
        WeightsMismatchError: The file is missing, or its hash is not the config's.
    """
    named = folder.config.get("graph")
    if named is None:
        return cached_graph(folder)
    path = folder.path / str(named["file"])
    graph = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(graph).hexdigest() != named["sha256"]:
        raise WeightsMismatchError(f"model {folder.name!r}: {path.name} is not the graph that config.json names")
    return graph


def cached_graph(
    folder: ModelFolder, *, part: str = "", export: Callable[[ModelFolder], bytes] = export_folder
) -> bytes:
    """Return an ONNX graph of a model; a cache that cannot be written only costs the export at each start.

    Args:
        folder: The model, its weights verified.
        part: Which graph, where a model has several: each lies in a file of its own.
        export: Makes the graph when the cache has none.
    """
    key = hashlib.sha256(
        f"{EXPORT_VERSION} {OPSET} {folder.config['sha256']} {dict(folder.config)['architecture']} "
        f"{sorted(dict(folder.config.get('options', {})).items())}".encode()
    ).hexdigest()
    path = cache_dir() / f"{folder.name}{part and '-'}{part}-{key[:32]}.onnx"
    try:
        data = path.read_bytes()
        if hashlib.sha256(data[:-32]).digest() == data[-32:]:
            return data[:-32]
    except OSError:
        pass
    graph = export(folder)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as sink:
            sink.write(graph + hashlib.sha256(graph).digest())  # a torn write is found and the graph made anew
        Path(sink.name).chmod(0o644)  # as public as the weights: an image is built by one user and run by another
        Path(sink.name).replace(path)
    except OSError as error:
        log.info("the exported graph of %s is not kept: %s", folder.name, error)
    return graph


def gate_graph(folder: ModelFolder) -> bytes:
    """Return the graph of a speech model's gate, the cached one where there is one."""

    def export(folder: ModelFolder) -> bytes:
        from detect.networks.audio.speech_graph import export_gate

        return export_gate(folder)

    return cached_graph(folder, part="gate", export=export)


def prepare_graphs(folder: ModelFolder) -> int:
    """Make and keep all graphs that a model runs on a CPU, so that no start has to; return their bytes.

    Raises:
        WeightsMismatchError: The weights are not those that the config names.
    """
    folder.verify()
    parts = [graph_of, gate_graph] if folder.config["kind"] == "speech" else [graph_of]
    if "stretch" in folder.config:
        from detect.networks.audio.stretches import stretch_graph

        parts.append(stretch_graph)
    return sum(len(part(folder)) for part in parts)


def open_session(graph: bytes, *, threads: int = 0) -> onnxruntime.InferenceSession:
    """Return a session on the CPU.

    Args:
        graph: An ONNX graph.
        threads: Cores that one call may use; 0 = all. An engine whose lanes call at the same time gives 1: two lanes of
            one core each did at least as many patches as one call on two cores in most rounds.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Waiting threads sleep: spinning ones would burn the core that decoding, or another worker, needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

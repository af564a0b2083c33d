"""Analyzers as replicas of Ray Serve, and the one object that stands for all of them.

    analyzer = RayAnalyzer(AnalyzerSettings(), replicas=Replicas(most=8, gpus=1))
    analyzer.analyze("photo.jpg")          # the Report that an Analyzer here would give

A request carries bytes of a file, never pixels: a replica decodes and judges. Requests that a replica holds at one time
share its engine, so that its batches mix the patches and windows of all of them; Serve adds and removes replicas by how
many requests wait, and says no when too many do.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import detect.errors
from detect.analyzer import Analyzer, AnalyzerSettings
from detect.cluster.connect import connect
from detect.engine import LocalEngine
from detect.errors import EngineBusyError, EngineError, MediaTooLargeError, WitnessmarkError
from detect.serialize import report_from_dict, report_to_dict
from detect.types import Report

APPLICATION = "witnessmark"
MAX_TRIES = 4
"""Replicas that may be lost under one file; judging has no side effects, so it is simply done again."""
_LOOK_AHEAD = 2
_GPU_FILES = 16
_RETRY_PAUSE_S = 0.5


@dataclass(frozen=True)
class Replicas:
    """How much of the cluster the Analyzers may take.

    Attributes:
        fewest: Replicas that always stand ready; 0 lets the cluster shrink to nothing.
        most: Replicas at full load.
        cpus: Cores of a replica; the model uses them all.
        gpus: GPUs of a replica; fractions let replicas share one.
        max_queued: Requests that may wait for a replica; more are refused as busy.
        timeout_s: Longest time for one file, seconds.
    """

    fewest: int = 1
    most: int = 1
    cpus: int = 1
    gpus: float = 0.0
    max_queued: int = 1000
    timeout_s: float = 600.0

    @property
    def width(self) -> int:
        """Requests that one replica holds at a time."""
        return max(_GPU_FILES, self.cpus + _LOOK_AHEAD) if self.gpus else self.cpus + _LOOK_AHEAD


class RayAnalyzer:
    """What an `Analyzer` is to its callers, with the work done in a cluster. Safe to call from several threads.

    Args:
        settings: Every knob of the analysis; a models folder must be there on every node.
        replicas: How much of the cluster to take.
        address: Of the cluster; default: `RAY_ADDRESS`, or a cluster inside this process.
    """

    def __init__(
        self, settings: AnalyzerSettings | None = None, *, replicas: Replicas | None = None, address: str | None = None
    ) -> None:
        self.settings = settings or AnalyzerSettings()
        self.replicas = replicas or Replicas()
        self._address = address
        self._plain = Analyzer(self.settings)  # for versions and hashes; loads no model
        self._starting = threading.Lock()
        self._handle: Any = None

    def start(self) -> None:
        """Join the cluster and start the replicas, unless that is done; the first `analyze` would do it.

        Raises:
            EngineError: The cluster cannot be reached, or no replica can load the model.
            MissingExtraError: Ray is not installed.
        """
        with self._starting:
            if self._handle is None:
                connect(self._address)
                self._handle = _start(self.settings, self.replicas)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what decides a Report besides the file."""
        return self._plain.fingerprint

    @property
    def pipeline(self) -> Mapping[str, Any]:
        """Versions, weights and settings, as every Report quotes them."""
        return self._plain.pipeline

    @property
    def width(self) -> int:
        """Files that are best under way at once."""
        return self.replicas.most * self.replicas.width

    def analyze(self, file: str | os.PathLike[str] | bytes | BinaryIO, *, name: str | None = None) -> Report:
        """Return the Report of one file.

        Raises:
            EngineBusyError: Too many requests wait; try again later.
            WitnessmarkError: As `Analyzer.analyze`.
        """
        self.start()
        data, shown = _read(file, self.settings.limits.max_bytes)
        answer = self._ask(data, name or shown)
        if "error" in answer:
            raise _error_of(answer["error"], answer["message"])
        return report_from_dict(answer["report"])

    def close(self) -> None:
        """Take the replicas down, for all who share them; the cluster stays."""
        from ray import serve

        with self._starting:
            if self._handle is not None:
                serve.delete(APPLICATION)
                self._handle = None

    def _ask(self, data: bytes, name: str) -> dict[str, Any]:
        from ray.exceptions import RayActorError, RayError
        from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, ReplicaUnavailableError

        for attempt in range(MAX_TRIES):
            try:
                response = self._handle.analyze.remote(data, name)
                return cast(dict[str, Any], response.result(timeout_s=self.replicas.timeout_s))
            except BackPressureError as error:
                raise EngineBusyError(
                    f"{self.replicas.max_queued} requests wait for the cluster; try again later"
                ) from error
            except (RayActorError, ReplicaUnavailableError):
                time.sleep(_RETRY_PAUSE_S * (attempt + 1))  # a replica or its node went; another takes over
            except DeploymentUnavailableError as error:
                raise EngineError(f"no replica can judge: {error}") from error
            except TimeoutError as error:
                raise EngineError(f"no answer within {self.replicas.timeout_s:g} s") from error
            except RayError as error:
                raise EngineError(f"the cluster failed: {type(error).__name__}") from error
        raise EngineError(f"{MAX_TRIES} replicas were lost while judging this file")


class Replica:
    """One Analyzer in an actor of the cluster."""

    def __init__(self, settings: AnalyzerSettings, cpus: int, width: int) -> None:
        self._engine = LocalEngine(cpu_lanes=cpus)
        self._analyzer = Analyzer(settings, engine=self._engine)
        _ = self._analyzer.image_examiner  # a replica that cannot load the model must not count as ready
        self._pool = ThreadPoolExecutor(width, thread_name_prefix="analyze")
        self._files = 0
        self._most_files = 0

    async def analyze(self, data: bytes, name: str) -> dict[str, Any]:
        """Return the Report as plain data, or the error's code and message."""
        self._files += 1
        self._most_files = max(self._most_files, self._files)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._analyze, data, name)
        finally:
            self._files -= 1

    async def load(self) -> dict[str, int]:
        """Return how busy this replica is: files that share its batches now, the most so far, and waiting patches."""
        waiting = sum(self._engine.load.values())
        return {"files": self._files, "most_files": self._most_files, "waiting_patches": waiting}

    def _analyze(self, data: bytes, name: str) -> dict[str, Any]:
        try:
            return {"report": report_to_dict(self._analyzer.analyze(data, name=name))}
        except WitnessmarkError as error:
            return {"error": error.code, "message": str(error)}


def _start(settings: AnalyzerSettings, replicas: Replicas) -> Any:
    """Start the replicas and return their handle, once one is ready."""
    from ray import serve
    from ray.exceptions import RayError

    try:
        serve.start(proxy_location="Disabled")  # calls come in through our own service
        return serve.run(_application(settings, replicas), name=APPLICATION, route_prefix=None)
    except (RayError, RuntimeError) as error:
        raise EngineError(f"no replica could be started: {str(error).splitlines()[0]}") from error


def _application(settings: AnalyzerSettings, replicas: Replicas) -> Any:
    from ray import serve

    deployment = serve.deployment(
        name="analyzer",
        max_ongoing_requests=replicas.width,
        max_queued_requests=replicas.max_queued,
        autoscaling_config={
            "min_replicas": replicas.fewest,
            "max_replicas": replicas.most,
            # Under load every replica is full; above this share of its places another one is worth its start.
            "target_ongoing_requests": max(1.0, 0.7 * replicas.width),
        },
        ray_actor_options={"num_cpus": replicas.cpus, "num_gpus": replicas.gpus},
        graceful_shutdown_timeout_s=30.0,
    )(Replica)
    return deployment.bind(settings, replicas.cpus, replicas.width)


def _read(file: str | os.PathLike[str] | bytes | BinaryIO, max_bytes: int) -> tuple[bytes, str]:
    """Return the bytes of a file and its name; nothing larger than is read here anyway travels."""
    if isinstance(file, bytes):
        return file, "bytes"
    if isinstance(file, str | os.PathLike):
        from detect.media import Limits, open_source

        with open_source(file, limits=Limits(max_bytes=max_bytes)) as source:
            return source.path.read_bytes(), source.name
    data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise MediaTooLargeError(f"more than {max_bytes} bytes; no more are read")
    return data, str(getattr(file, "name", "stream"))


def _error_of(code: str, message: str) -> WitnessmarkError:
    """Return the error that a replica raised, under its own class."""
    classes = [item for item in vars(detect.errors).values() if isinstance(item, type)]
    found = next((item for item in classes if issubclass(item, WitnessmarkError) and item.code == code), EngineError)
    return found(message)

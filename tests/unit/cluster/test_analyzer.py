"""The stand-in for many Analyzers: the same Reports and errors as one here; lost replicas are no lost files."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from detect.analyzer import Analyzer, AnalyzerSettings
from detect.cluster import analyzer as module
from detect.cluster.analyzer import RayAnalyzer, Replicas
from detect.cluster.connect import connect
from detect.errors import (
    CorruptMediaError,
    EngineBusyError,
    EngineError,
    MediaTooLargeError,
    MediaUnreadableError,
    MissingExtraError,
    WitnessmarkError,
)
from detect.media import Limits
from detect.render.json import dumps
from tests.unit.cluster.actors import kill_actor

needs_ray = pytest.mark.skipif(
    not os.environ.get("WITNESSMARK_RAY_TESTS"), reason="starts a cluster; set WITNESSMARK_RAY_TESTS=1"
)


@pytest.fixture
def analyzer(tiny_models: Path) -> RayAnalyzer:
    """One that never joined a cluster."""
    return RayAnalyzer(AnalyzerSettings(models_dir=tiny_models, device="cpu"), replicas=Replicas(most=3, cpus=4))


def answering(analyzer: RayAnalyzer, answer: object) -> list[tuple[bytes, str]]:
    """Let the analyzer ask a stand-in for the cluster; returns what it was asked."""
    asked: list[tuple[bytes, str]] = []

    def ask(data: bytes, name: str) -> object:
        asked.append((data, name))
        return answer

    analyzer.start = lambda: None  # type: ignore[method-assign]
    analyzer._ask = ask  # type: ignore[assignment, method-assign]
    return asked


def test_it_is_known_by_the_same_fingerprint_as_one_here(analyzer: RayAnalyzer) -> None:
    assert analyzer.fingerprint == Analyzer(analyzer.settings).fingerprint
    assert analyzer.width == 3 * (4 + 2)


@pytest.mark.parametrize("code", ["corrupt_media", "decode_timeout", "unknown_model"])
def test_errors_keep_their_class(analyzer: RayAnalyzer, code: str) -> None:
    answering(analyzer, {"error": code, "message": "why"})
    with pytest.raises(WitnessmarkError, match="why") as caught:
        analyzer.analyze(b"x")
    assert caught.value.code == code


def test_an_unknown_error_is_the_engines(analyzer: RayAnalyzer) -> None:
    answering(analyzer, {"error": "from_a_later_version", "message": "why"})
    with pytest.raises(EngineError, match="why"):
        analyzer.analyze(b"x")


def test_bytes_paths_and_streams_travel_whole(
    analyzer: RayAnalyzer, make_photo: Callable[..., Path], tmp_path: Path
) -> None:
    report = {"report": {"verdict": "inconclusive", "authenticity": None, "media": None}}
    asked = answering(analyzer, report)
    path = make_photo()
    analyzer.analyze(path)
    analyzer.analyze(io.BytesIO(b"abc"), name="a.jpg")
    assert asked == [(path.read_bytes(), "photo.jpg"), (b"abc", "a.jpg")]
    with pytest.raises(MediaUnreadableError):
        analyzer.analyze(tmp_path / "missing.jpg")
    small = RayAnalyzer(replace(analyzer.settings, limits=Limits(max_bytes=10)))
    answering(small, report)
    with pytest.raises(MediaTooLargeError):
        small.analyze(io.BytesIO(bytes(11)))


def test_without_ray_the_pip_line_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"witnessmark\[scale\]"):
        connect()


def test_ray_serve_is_told_how_to_batch_grow_and_refuse(analyzer: RayAnalyzer) -> None:
    pytest.importorskip("ray.serve")
    replicas = Replicas(fewest=0, most=5, cpus=2, gpus=0.5, max_queued=7)
    deployment = module._application(analyzer.settings, replicas)._bound_deployment
    assert deployment.max_ongoing_requests == replicas.width == 16
    assert deployment.max_queued_requests == 7
    assert deployment.ray_actor_options == {"num_cpus": 2, "num_gpus": 0.5}
    scaling = deployment._deployment_config.autoscaling_config
    assert (scaling.min_replicas, scaling.max_replicas) == (0, 5)
    assert 1 <= scaling.target_ongoing_requests < replicas.width  # a full replica asks for another one


class TestLosses:
    """What Ray raises becomes ours, or another try; needs Ray's exceptions, no cluster."""

    @pytest.fixture
    def failing(self, analyzer: RayAnalyzer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
        pytest.importorskip("ray.serve")
        monkeypatch.setattr(module, "_RETRY_PAUSE_S", 0.0)
        monkeypatch.setattr(analyzer, "start", lambda: None)

        def fail(*outcomes: Any) -> list[int]:
            left, calls = list(outcomes), []

            class Response:
                def result(self, timeout_s: float) -> Any:
                    calls.append(1)
                    outcome = left.pop(0)
                    if isinstance(outcome, BaseException):
                        raise outcome
                    return outcome

            class Handle:
                analyze = type("Method", (), {"remote": staticmethod(lambda data, name: Response())})

            analyzer._handle = Handle()
            return calls

        return fail

    def test_lost_replicas_are_tried_again(self, analyzer: RayAnalyzer, failing: Callable[..., list[int]]) -> None:
        from ray.exceptions import ActorDiedError, ActorUnavailableError

        report = {"report": {"verdict": "inconclusive", "authenticity": None, "media": None}}
        calls = failing(ActorDiedError(), ActorUnavailableError("gone", None), report)
        assert analyzer.analyze(b"x").verdict == "inconclusive"
        assert len(calls) == 3

    def test_a_file_that_loses_every_replica_is_given_up(
        self, analyzer: RayAnalyzer, failing: Callable[..., list[int]]
    ) -> None:
        from ray.exceptions import ActorDiedError

        calls = failing(*[ActorDiedError() for _ in range(9)])
        with pytest.raises(EngineError, match="replicas were lost"):
            analyzer.analyze(b"x")
        assert len(calls) == module.MAX_TRIES

    def test_back_pressure_is_busy(self, analyzer: RayAnalyzer, failing: Callable[..., list[int]]) -> None:
        from ray.serve.exceptions import BackPressureError

        failing(BackPressureError(num_queued_requests=9, max_queued_requests=9))
        with pytest.raises(EngineBusyError, match="try again"):
            analyzer.analyze(b"x")

    def test_silence_is_an_error(self, analyzer: RayAnalyzer, failing: Callable[..., list[int]]) -> None:
        failing(TimeoutError())
        with pytest.raises(EngineError, match="no answer within"):
            analyzer.analyze(b"x")


@pytest.fixture(scope="module")
def online(tiny_models: Path) -> Iterator[RayAnalyzer]:
    """One replica on a cluster of this machine."""
    pytest.importorskip("ray.serve")
    settings = AnalyzerSettings(models_dir=tiny_models, device="cpu", locate=False)
    found = RayAnalyzer(settings)
    found.start()
    yield found
    found.close()
    connect().shutdown()


@needs_ray
@pytest.mark.ray
@pytest.mark.timeout(900)
def test_a_replica_gives_the_report_of_an_analyzer_here_and_survives_being_killed(
    online: RayAnalyzer, make_photo: Callable[..., Path], tmp_path: Path
) -> None:
    path = make_photo()
    here = Analyzer(online.settings).analyze(path)

    def plain(report: Any) -> str:
        return dumps(replace(report, timings_ms={}, path=""))

    assert plain(online.analyze(path)) == plain(here)
    with pytest.raises(CorruptMediaError):
        online.analyze(b"\xff\xd8\xff\xe0 no more", name="x.jpg")
    kill_actor("ray::ServeReplica")
    assert plain(online.analyze(path)) == plain(here)

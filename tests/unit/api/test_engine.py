"""Which engine the service's worker uses, and that a cluster's stand-in serves it like an Analyzer."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from api.app import _warmed, make_analyzer
from api.settings import Settings
from detect.analyzer import Analyzer
from detect.cluster.analyzer import RayAnalyzer, Replicas


def settings(tmp_path: Path, **given: Any) -> Settings:
    return Settings(data_dir=tmp_path, device="cpu", **given)


def test_the_default_engine_is_this_process(tmp_path: Path) -> None:
    assert isinstance(make_analyzer(settings(tmp_path)), Analyzer)


def test_ray_takes_its_share_of_the_cluster_from_the_settings(tmp_path: Path) -> None:
    wanted = settings(tmp_path, engine="ray", ray_max_replicas=8, ray_cpus=4, ray_gpus=0.5, ray_min_replicas=2)
    judge = make_analyzer(wanted)
    assert isinstance(judge, RayAnalyzer)
    assert judge.replicas == Replicas(fewest=2, most=8, cpus=4, gpus=0.5)
    assert judge.width == 8 * 16
    assert judge.fingerprint == make_analyzer(settings(tmp_path)).fingerprint


def test_a_worker_starts_the_replicas_before_it_is_ready_and_hands_them_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[object] = []
    report = {"verdict": "inconclusive", "authenticity": None, "media": None}

    def ask(self: RayAnalyzer, data: bytes, name: str) -> dict[str, Any]:
        done.append((data, name))
        return {"report": report}

    monkeypatch.setattr(RayAnalyzer, "start", lambda self: done.append("started"))
    monkeypatch.setattr(RayAnalyzer, "_ask", ask)
    judge = _warmed(make_analyzer(settings(tmp_path, engine="ray")))
    assert done == ["started"]
    assert judge.analyze(io.BytesIO(b"abc"), name="a.jpg").verdict == "inconclusive"
    assert done[-1] == (b"abc", "a.jpg")

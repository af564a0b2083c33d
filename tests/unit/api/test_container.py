"""Dockerfile and compose file agree with the code; no engine runs here, so they are read."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from api.settings import Settings
from detect.cli.serve import Role

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def compose() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    read: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return read


def test_image_runs_as_a_user_without_rights_and_is_watched() -> None:
    users = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
    assert users[-1:] == ["10001"]
    assert "HEALTHCHECK" in DOCKERFILE
    assert 'ENTRYPOINT ["tini", "--", "witnessmark"]' in DOCKERFILE


def test_image_installs_extras_and_files_that_exist_and_are_sent_to_the_build() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = re.search(r'"\.\[([\w,]+)\]"', DOCKERFILE)
    assert found
    extras = set(found.group(1).split(","))
    assert {"serve", "faces"} <= extras <= set(project["optional-dependencies"])  # faces: else clips are judged by less
    sent = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE))
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        for name in line.split()[:-1]:
            assert (ROOT / name).exists()
            assert name in sent


def test_variables_of_image_and_compose_are_settings() -> None:
    names = set(re.findall(r"WITNESSMARK_([A-Z_]+)", DOCKERFILE + (ROOT / "compose.yaml").read_text(encoding="utf-8")))
    names -= {"CACHE"}  # read by the library itself
    assert {name.lower() for name in names} <= set(Settings.model_fields)


def test_image_runs_the_graphs_that_its_build_made() -> None:
    made = re.search(r"WITNESSMARK_CACHE=(\S+) /opt/witnessmark/bin/witnessmark models prepare", DOCKERFILE)
    assert made
    assert made.group(1).startswith("/opt/witnessmark/")  # what the second stage copies
    assert f"    WITNESSMARK_CACHE={made.group(1)} " in DOCKERFILE


def test_compose_splits_calls_and_work_over_one_database_without_rights() -> None:
    services = compose()["services"]
    roles = {name: services[name]["command"][-1] for name in ("api", "worker")}
    assert roles == {"api": Role.API, "worker": Role.WORKER}
    for name in roles:
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["environment"] == services["api"]["environment"]
        grace_s = int(services[name]["stop_grace_period"].rstrip("s"))
        assert grace_s > Settings.model_fields["drain_s"].default
    assert services["api"]["ports"] == ["127.0.0.1:8000:8000"]

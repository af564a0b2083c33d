"""Models from and to a hub: a folder survives the way there and back, nothing but text and safetensors travels."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from detect.errors import MissingExtraError, ModelError, WeightsMismatchError
from detect.networks import hub, zoo
from detect.networks.hub import from_pretrained, push_to_hub


class LocalHub:
    """A hub in a folder: repositories are directories, a download is a copy."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.asked: dict[str, object] = {}

    def create_repo(self, repo_id: str, **options: object) -> None:
        self.asked["create"] = options
        (self.home / repo_id).mkdir(parents=True, exist_ok=True)

    def upload_folder(self, *, repo_id: str, folder_path: str, allow_patterns: list[str], **options: object) -> None:
        self.asked["upload"] = options
        self._copy(Path(folder_path), self.home / repo_id, allow_patterns)

    def snapshot_download(self, repo_id: str, *, allow_patterns: list[str], **options: object) -> str:
        self.asked["download"] = options
        if not (self.home / repo_id).is_dir():
            raise FileNotFoundError(repo_id)
        target = self.home / "cache" / repo_id.replace("/", "--")
        self._copy(self.home / repo_id, target, allow_patterns)
        return str(target)

    def _copy(self, source: Path, target: Path, patterns: list[str]) -> None:
        target.mkdir(parents=True, exist_ok=True)
        for file in source.iterdir():
            if any(fnmatch.fnmatch(file.name, pattern) for pattern in patterns):
                shutil.copy(file, target / file.name)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    config = {key: {} for key in ("input", "calibration")} | {
        "name": "mine",
        "version": "2",
        "kind": "image",
        "architecture": "a",
        "license": "Apache-2.0",
        "sha256": hashlib.sha256(b"weights").hexdigest(),
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Mine\n")
    (folder / "optimizer.pkl").write_bytes(b"never")
    return folder


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalHub:
    found = LocalHub(tmp_path / "hub")
    monkeypatch.setattr(hub, "_import_hub", lambda: SimpleNamespace(snapshot_download=found.snapshot_download))
    return found


def test_a_model_survives_the_way_there_and_back(model: Path, local: LocalHub) -> None:
    assert push_to_hub(model, "someone/mine", api=local) == "someone/mine"
    assert local.asked["create"] == {"private": True, "exist_ok": True, "repo_type": "model"}
    assert not (local.home / "someone/mine/optimizer.pkl").exists()
    again = from_pretrained("someone/mine", revision="3f1c", local_files_only=True)
    assert again.ref.sha256 == hashlib.sha256(b"weights").hexdigest() and again.path != model
    assert local.asked["download"] == {"revision": "3f1c", "cache_dir": None, "local_files_only": True}


def test_folders_and_shipped_names_never_ask_a_hub(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_import_hub", lambda: pytest.fail("asked a hub"))
    assert from_pretrained(model).name == "mine"
    assert from_pretrained("image").name == "image"


def test_weights_that_differ_are_refused_both_ways(model: Path, local: LocalHub) -> None:
    push_to_hub(model, "someone/mine", api=local)
    (local.home / "someone/mine/model.safetensors").write_bytes(b"others")
    with pytest.raises(WeightsMismatchError):
        from_pretrained("someone/mine")
    (model / "model.safetensors").write_bytes(b"others")
    with pytest.raises(WeightsMismatchError):
        push_to_hub(model, "someone/mine", api=local)


def test_a_card_without_front_matter_is_not_published(model: Path, local: LocalHub) -> None:
    (model / "README.md").write_text("# Mine\n")
    with pytest.raises(ModelError, match="front matter"):
        push_to_hub(model, "someone/mine", api=local)
    assert not local.home.exists()


def test_what_the_hub_lacks_is_a_named_error(local: LocalHub) -> None:
    with pytest.raises(ModelError, match="no model 'someone/else' from the hub"):
        from_pretrained("someone/else")


def test_without_the_extra_the_line_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"witnessmark\[hub\]"):
        from_pretrained("someone/mine")


def test_packages_register_folders_of_models_under_a_word(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = SimpleNamespace(name="acme", value="acme:folder", load=lambda: lambda: model.parent)
    monkeypatch.setattr(zoo, "entry_points", lambda group: [entry] if group == zoo.GROUP else [])
    assert [found.name for found in zoo.list_models(Path("acme"))] == ["mine"]
    monkeypatch.setenv("WITNESSMARK_MODELS", "acme")
    assert zoo.models_dir() == model.parent
    entry.load = lambda: lambda: None
    with pytest.raises(ModelError, match="models of acme"):
        zoo.models_dir()


@pytest.mark.parametrize("folder", zoo.list_models(), ids=lambda folder: folder.name)
def test_every_shipped_card_begins_as_a_hub_reads_it(folder: zoo.ModelFolder) -> None:
    head, _, _ = (folder.path / "README.md").read_text(encoding="utf-8").removeprefix("---\n").partition("\n---\n")
    lines = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
    assert lines["license"] == "apache-2.0" and lines["library_name"] == "witnessmark" and lines["pipeline_tag"]

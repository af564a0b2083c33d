"""The script that lays out swap pairs finds clips by path and pictures by blob in bare git directories."""

import importlib.util
import json
import subprocess
from pathlib import Path

import pytest

from detect.training.face.store import read_clip_list

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "face_pairs.py"

pytestmark = pytest.mark.skipif(not SCRIPT.is_file(), reason="needs the checkout")


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("face_pairs", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def repository(tmp_path):
    """A repository of a clip and two pictures, and the blobs of the pictures."""
    work, bare = tmp_path / "work", tmp_path / "mirror" / "owner+swaps" / "repo"
    work.mkdir()
    contents = {"clip.mp4": b"a clip", "before.png": b"a face", "after.jpg": b"another face"}
    for name, content in contents.items():
        (work / name).write_bytes(content)

    def git(*words):
        command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *words]
        return subprocess.run(command, cwd=work, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "media")
    git("clone", "-q", "--bare", ".", str(bare))
    return tmp_path / "mirror", {name: git("rev-parse", f"HEAD:{name}") for name in contents}


def test_pairs_of_pictures_join_the_list_of_clips(script, repository, tmp_path):
    mirror, blobs = repository
    manifest, pairs = tmp_path / "manifest.jsonl", tmp_path / "pairs.jsonl"
    clip = {"kind": "face", "split": "train", "path": "clip.mp4", "repo": "owner/swaps", "group": "anna", "sha256": "0"}
    manifest.write_text("\n".join(json.dumps({**clip, "label": label}) for label in ("real", "fake")))
    pair = {
        "program": "prog", "person": "ben", "repo": "owner/swaps", "path": "before.png", "blob": blobs["before.png"],
        "swapped_path": "after.jpg", "swapped_blob": blobs["after.jpg"], "face": [1.0, 2.0, 3.0, 4.0],
    }  # fmt: skip
    elsewhere = {**pair, "repo": "owner/missing", "blob": "1" * 40}
    gone = {**pair, "swapped_blob": "2" * 40}
    pairs.write_text("\n".join(map(json.dumps, (pair, elsewhere, gone))))
    out = tmp_path / "out"
    assert script.list_clips(manifest, mirror, "train", out) == 1
    assert script.list_pairs(pairs, mirror, out) == 1
    first, second = read_clip_list(out / "clips.jsonl")
    assert (first.layout, first.person, first.file.read_bytes()) == ("side_by_side", "anna", b"a clip")
    assert (second.layout, second.origin, second.face) == ("pair", "prog", (1.0, 2.0, 3.0, 4.0))
    assert (second.file.read_bytes(), second.swapped_file.read_bytes()) == (b"a face", b"another face")

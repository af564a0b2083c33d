"""Training faces: halves of a pair are treated alike, self-blending changes the face alone, draws repeat."""

import json
import random

import numpy as np
import pytest
from PIL import Image

from detect.errors import ConfigError
from detect.networks.face.detector import Face
from detect.training.face.batches import FacePlan, FaceStream
from detect.training.face.blend import blend_with_itself, face_mask
from detect.training.face.clips import ClipRow, cut_faces, read_clip_list, read_store
from detect.training.face.recipe import read_recipe
from tests.unit.media.clips import make_clip

FACE = Face((60.0, 50.0, 80.0, 100.0), 0.9, np.array([[80, 85], [118, 85], [100, 105], [85, 128], [116, 128]], float))


def portrait(seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(40, 220, (20, 20, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((200, 200), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("seed", range(6))
def test_self_blending_changes_the_face_and_leaves_the_corners(seed):
    pixels = portrait()
    blended = blend_with_itself(pixels, FACE, random.Random(seed))
    change = np.abs(blended.astype(int) - pixels).mean(axis=2)
    assert change[80:120, 85:115].mean() > 0.3
    assert change[:15, :15].max() == 0 and change[-15:, -15:].max() == 0


def test_a_mask_is_soft_and_inside_bounds():
    mask = face_mask((200, 200), FACE, random.Random(1))
    assert mask.shape == (200, 200) and mask.min() >= 0 and mask.max() <= 1
    assert ((mask > 0.05) & (mask < 0.45)).sum() > 50


class Finder:
    """Finds the same face in every frame."""

    name = "finder"

    def find(self, pixels):
        return [FACE]


@pytest.fixture
def store(tmp_path):
    def both_halves(number: int) -> np.ndarray:
        real = portrait(number)
        fake = real.copy()
        fake[60:140, 70:130] = 255 - fake[60:140, 70:130]
        return np.concatenate([real, fake], axis=1)

    clip = tmp_path / "pair.mp4"
    clip.write_bytes(make_clip(frames=12, size=(400, 200), draw=both_halves, options={"crf": "12"}))
    still = tmp_path / "face.png"
    Image.fromarray(portrait(99)).save(still)
    rows = [ClipRow(clip, "side_by_side", "", "anna", "swaps"), ClipRow(still, "whole", "real", "ben", "photos")]
    rows.append(ClipRow(still, "whole", "fake", "x", "made"))
    return cut_faces(rows, tmp_path / "faces", Finder(), frames=4)


def test_halves_of_a_frame_become_a_pair_with_one_box(store):
    pairs = [face for face in store if face.pair]
    assert len(pairs) == 8 and {face.label for face in pairs} == {"real", "fake"}
    for name in {face.pair for face in pairs}:
        first, second = (face for face in pairs if face.pair == name)
        assert first.face.box == second.face.box and first.label != second.label


def test_faces_are_cut_once(store, tmp_path):
    again = cut_faces([], tmp_path / "faces", Finder(), frames=4)
    assert [face.file for face in again] == [face.file for face in read_store(tmp_path / "faces")]
    assert len(again) == len(store)


def test_batches_hold_pairs_in_order_and_repeat(store):
    plan = FacePlan(batch=12, side=64, pair_share=0.34, blend_share=0.34, seed=3)
    crops, labels = FaceStream(store, plan).draw(5)
    again, _ = FaceStream(store, plan).draw(5)
    assert crops.shape == (12, 3, 64, 64) and crops.equal(again)
    assert labels[:8].tolist() == [0, 1] * 4
    assert float(crops.min()) >= -1 and float(crops.max()) <= 1


def test_a_list_of_clips_is_read_relative_to_itself(tmp_path):
    path = tmp_path / "clips.jsonl"
    path.write_text(
        json.dumps({"file": "a.mp4", "layout": "side_by_side", "group": "anna", "generator": "swaps"}) + "\n"
    )
    assert read_clip_list(path) == [ClipRow(tmp_path / "a.mp4", "side_by_side", "", "anna", "swaps")]


def test_an_unknown_key_of_a_recipe_is_an_error(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text('[recipe]\nkind = "face"\nname = "face"\nversion = "1"\nseed = 1\n[data]\nclip = ["a"]\n')
    with pytest.raises(ConfigError, match="unknown keys clip"):
        read_recipe(path)

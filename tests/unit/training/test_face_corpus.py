"""Pairs of pictures before and after a swap, and which faces are left out together."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from detect.networks.face.detector import Face
from detect.training.face.clips import cut_faces
from detect.training.face.corpus import Corpus, FacePair, sort_faces
from detect.training.face.recipe import read_recipe
from detect.training.face.store import ClipRow, StoredFace, read_clip_list

BOX = (60.0, 50.0, 80.0, 100.0)
POINTS = np.array([[80, 85], [118, 85], [100, 105], [85, 128], [116, 128]], float)


class Finder:
    """Finds two faces in every picture, at sizes that follow the picture's."""

    name = "finder"

    def find(self, pixels):
        scale = pixels.shape[1] / 400
        boxes = [tuple(value * scale for value in BOX), tuple(value * scale for value in (260.0, *BOX[1:]))]
        return [Face(box, 0.9, POINTS * scale) for box in boxes]


def pictures(folder, *, larger=1):
    """Write a picture of two faces, and a copy in which the right one is another."""
    coarse = np.random.default_rng(0).integers(40, 220, (20, 40, 3), dtype=np.uint8)
    real = Image.fromarray(coarse).resize((400, 200), Image.Resampling.BICUBIC)
    changed = np.asarray(real).copy()
    changed[60:140, 270:330] = 255 - changed[60:140, 270:330]
    real.save(folder / "real.png")
    Image.fromarray(changed).resize((400 * larger, 200 * larger), Image.Resampling.BICUBIC).save(folder / "swap.png")
    return folder / "real.png", folder / "swap.png"


@pytest.mark.parametrize("larger", [1, 2])
def test_the_changed_face_of_two_pictures_becomes_a_pair_at_the_smaller_ones_size(tmp_path, larger):
    real, swap = pictures(tmp_path, larger=larger)
    row = ClipRow(real, "pair", "", "anna", "prog", swapped_file=swap)
    stored = cut_faces([row], tmp_path / "faces", Finder(), frames=1)
    assert [face.label for face in stored] == ["real", "fake"] and len({face.pair for face in stored}) == 1
    assert stored[0].face.box == stored[1].face.box and stored[0].face.side == pytest.approx(100)
    halves = [np.asarray(Image.open(face.file), int) for face in stored]
    assert np.abs(halves[0] - halves[1])[80:120, 80:120].mean() > 20


def test_a_pair_names_its_face_and_an_unchanged_one_is_no_pair(tmp_path):
    _, swap = pictures(tmp_path)
    rows = [{"file": "real.png", "swapped_file": "swap.png", "layout": "pair", "person": "a", "origin": "prog"}]
    rows.append({**rows[0], "face": [60, 50, 80, 100]})
    rows.append({**rows[0], "crop": [200, 0, 400, 200], "swapped_crop": [200, 0, 400, 200]})
    (tmp_path / "list.jsonl").write_text("\n".join(map(json.dumps, rows)))
    listed = read_clip_list(tmp_path / "list.jsonl")
    assert listed[0].swapped_file == swap and len({row.stem for row in listed}) == 3
    whole, left, cropped = (cut_faces([row], tmp_path / str(n), Finder(), frames=1) for n, row in enumerate(listed))
    assert len(whole) == 2 and left == [] and cropped == []  # the cropped part's faces are found too small


def test_a_missing_second_picture_costs_only_its_own_pair(tmp_path):
    real, swap = pictures(tmp_path)
    rows = [
        ClipRow(real, "pair", "", "a", "prog", swapped_file=tmp_path / "none.png"),
        ClipRow(real, "pair", "", "a", "p"),
    ]
    rows.append(ClipRow(real, "pair", "", "a", "prog", swapped_file=swap))
    assert len(cut_faces(rows, tmp_path / "faces", Finder(), frames=1)) == 2


def stored(folder, name, *, label="real", person="p", origin="deepfacelive", pair=""):
    pixels = np.random.default_rng(len(name)).integers(0, 255, (160, 160, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / f"{name}.png")
    face = Face((30.0, 30.0, 80.0, 100.0), 1.0, POINTS)
    return StoredFace(str(folder / f"{name}.png"), f"clip-{person}", label, person, origin, pair, face)


def pair_of(folder, name, **facts):
    halves = (stored(folder, f"{name}-{label}", label=label, pair=name, **facts) for label in ("real", "fake"))
    return FacePair(*halves)


@pytest.fixture
def corpus(tmp_path):
    return Corpus(
        filmed=[pair_of(tmp_path, f"f{person}", person=person) for person in ("anna", "ben", "cleo")],
        others=[
            pair_of(tmp_path, "o1", person="dora", origin="alpha"),
            pair_of(tmp_path, "o2", person="dora", origin="beta"),
            pair_of(tmp_path, "o3", person="ernst", origin="beta"),
        ],
        singles=[stored(tmp_path, f"s{source}", origin=source) for source in ("web", "news")],
        copied=[stored(tmp_path, "sweb", origin="web")],
        links=[("anna", "ben")],
        folds=2,
    )


def test_linked_people_programs_and_people_of_left_programs_are_left_out_together(corpus):
    everything = corpus.keep(None)
    assert all(flags.all() for flags in (everything.filmed, everything.others, everything.singles, everything.copied))
    parts = [corpus.keep(fold) for fold in range(2)]
    assert all(part.filmed[0] == part.filmed[1] for part in parts)
    assert [int((~part.filmed).sum()) for part in parts] == [2, 1]
    assert [part.others.tolist() for part in parts] == [[False, False, True], [False, False, False]]
    assert [corpus.left_programs(fold).tolist() for fold in range(2)] == [[True, False, False], [False, True, True]]
    assert [part.copied.tolist() for part in parts] == [[True], [False]]


def test_faces_are_sorted_by_what_they_are(tmp_path, corpus):
    (tmp_path / "recipe.toml").write_text(
        '[recipe]\nkind = "face"\nname = "face"\nversion = "1"\n[data]\nclips = []\nmade_per_origin = 0\n'
        '[model]\narchitecture = "region_net"\n'
    )
    halves = [half for pair in (*corpus.filmed, *corpus.others) for half in (pair.real, pair.fake)]
    lonely = replace(halves[0], pair="lonely")
    found = sort_faces([*halves, *corpus.singles, lonely], read_recipe(tmp_path / "recipe.toml"))
    assert (len(found.filmed), len(found.others), len(found.singles), len(found.copied)) == (3, 3, 2, 0)

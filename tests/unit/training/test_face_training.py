"""Training faces: halves of a pair are treated alike, remaking changes the face alone, the fit ignores who is shown."""

import json
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from detect.errors import ConfigError
from detect.networks.face.align import cut_square
from detect.networks.face.detector import Face
from detect.networks.face.region_net import RegionNet
from detect.networks.image.patch_scorer import PatchScorer
from detect.networks.zoo import find_model
from detect.training.face import run
from detect.training.face.blend import blend_with_itself, face_mask
from detect.training.face.clips import cut_faces
from detect.training.face.deliver import LEAST_FACE, Delivery, deliver
from detect.training.face.features import FaceMeter
from detect.training.face.fit import Pairs, Singles, fit_discriminant, linked_groups
from detect.training.face.pseudo import remake_face
from detect.training.face.recipe import read_recipe
from detect.training.face.store import ClipRow, read_clip_list, read_store
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


def test_halves_of_a_pair_are_delivered_alike_and_draws_repeat(store, tmp_path):
    network = RegionNet().eval()
    real, fake = (next(face for face in store if face.pair and face.label == label) for label in ("real", "fake"))
    same = replace(fake, file=real.file)  # the fake half's name with the real half's pixels
    meter = FaceMeter(network, tmp_path / "features", decoders={}, seed=3)
    rows = meter.measure([real, same], "drawn")
    assert rows.shape == (2, network.head.in_features) and np.isfinite(rows).all()
    assert rows[0] == pytest.approx(rows[1])
    again = FaceMeter(network, tmp_path / "elsewhere", decoders={}, seed=3).measure([real, same], "drawn")
    assert again == pytest.approx(rows)


@pytest.mark.parametrize("seed", range(4))
def test_a_remade_face_differs_inside_and_nowhere_else(seed):
    pixels = portrait()
    made, how = remake_face(pixels, FACE, random.Random(seed), {})
    change = np.abs(made.astype(int) - pixels).mean(axis=2)
    assert how in ("blended", "smoothed")
    assert change[80:120, 85:115].mean() > 0.3 and change[:15, :15].max() == 0


def test_a_round_trip_through_an_autoencoder_remakes_the_face():
    inverse = {"inverse": torch.nn.Sequential(Inverse())}
    ways = [remake_face(portrait(), FACE, random.Random(seed), inverse) for seed in range(12)]
    made = next(pixels for pixels, how in ways if how == "inverse")
    assert np.abs(made.astype(int) - portrait()).mean(axis=2)[90:110, 90:110].mean() > 10


class Inverse(torch.nn.Module):
    """Stands for an autoencoder."""

    def forward(self, x):
        return 1 - x


def test_delivery_moves_the_box_with_the_picture_and_never_below_the_least_face():
    pixels, face = deliver(portrait(), FACE, Delivery(0.1, jpeg=50))
    assert face.side == pytest.approx(LEAST_FACE, abs=1)
    assert pixels.shape[0] == pytest.approx(200 * LEAST_FACE / 100, abs=1)
    assert face.landmarks[0] / face.side == pytest.approx(FACE.landmarks[0] / 100, rel=0.02)


def made_up(rng, groups: int, *, signal: float) -> Pairs:
    """Pairs whose people differ widely in all directions and whose swap shifts the first."""
    people = rng.normal(0, 3, (groups, 12)).repeat(8, axis=0)
    real = people + rng.normal(0, 0.3, people.shape)
    fake = real + rng.normal(0, 0.3, people.shape)
    fake[:, 0] += signal
    names = np.array([f"p{number}" for number in range(groups)]).repeat(8)
    return Pairs(real, fake, names)


def test_the_discriminant_learns_what_pairs_differ_in_and_not_who_is_shown():
    rng = np.random.default_rng(0)
    pairs, unseen = made_up(rng, 4, signal=2.0), made_up(rng, 6, signal=2.0)
    spread = np.full(12, 3.0)
    spread[0] = 0.5
    singles = Singles(rng.normal(0, spread, (300, 12)), np.array(["web"] * 300))
    fitted = fit_discriminant(pairs, singles, ridge=1e-3)
    assert np.abs(fitted.weights[1:]).max() < 0.4 * abs(fitted.weights[0])
    assert (fitted.score(unseen.fake) > fitted.score(unseen.real)).mean() > 0.95
    change = fitted.score(pairs.fake).mean() - fitted.score(pairs.real).mean()
    assert change == pytest.approx(4.0, abs=0.01)


def test_people_that_are_linked_are_left_out_together():
    groups = linked_groups([("anna", "ben"), ("dora", "dora"), ("ben", "cleo")])
    assert groups["anna"] == groups["cleo"] and groups["dora"] != groups["anna"]


def test_a_recipe_trains_a_model_that_tells_its_pairs_apart(tmp_path, monkeypatch):
    def both_halves(person: int):
        def draw(number: int) -> np.ndarray:
            rng = np.random.default_rng(100 * person + number)
            real = np.clip(portrait(person).astype(int) + rng.normal(0, 12, (200, 200, 1)), 0, 255).astype(np.uint8)
            fake = real.copy()
            smooth = Image.fromarray(real).filter(ImageFilter.GaussianBlur(2)).crop((66, 58, 134, 142))
            fake[58:142, 66:134] = np.asarray(smooth) + np.uint8(6)
            return np.concatenate([real, fake], axis=1)

        return draw

    lines = []
    for person in range(4):
        clip = tmp_path / f"clip{person}.mp4"
        clip.write_bytes(make_clip(frames=8, size=(400, 200), draw=both_halves(person), options={"crf": "8"}))
        lines.append({"file": clip.name, "layout": "side_by_side", "person": f"p{person}", "origin": "swaps"})
        still = tmp_path / f"face{person}.png"
        Image.fromarray(both_halves(person)(99)[:, :200]).save(still)
        lines.append({"file": still.name, "layout": "whole", "label": "real", "origin": f"web{person}"})
    (tmp_path / "clips.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "recipe.toml").write_text(
        '[recipe]\nkind = "face"\nname = "face"\nversion = "1"\nseed = 1\n[data]\nclips = ["clips.jsonl"]\n'
        'pair_frames = 4\nfilmed = ["swaps"]\n[model]\narchitecture = "region_net"\n'
        "[fit]\nridges = [1.0]\nmade_shares = [0.0, 0.3]\nfolds = 4\n"
    )
    monkeypatch.setattr(run, "load_detector", Finder)
    folder = run.train(tmp_path / "recipe.toml", work=tmp_path / "work", out=tmp_path / "out")
    config = json.loads((folder / "config.json").read_text())
    assert config["training"]["pairs"] == 16 and config["training"]["people"] == 4
    assert config["training"]["left_out"]["chosen"]["clean"] > 0.8
    assert config["calibration"]["n_origins"] == 4 + 4  # people, and sources of single faces
    (real, fake) = (both_halves(9)(5)[:, part] for part in (slice(0, 200), slice(200, 400)))
    scorer = PatchScorer.from_folder(find_model(folder), device="cpu")
    first, second = (
        float(cells.mean()) for cells in scorer.score([cut_square(x, FACE, margin=1.25) for x in (real, fake)])
    )
    assert second > first


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

"""What the picture net is fed: no label-dependent delivery, aligned pairs, reproducible draws."""

import dataclasses
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from detect.bench.data.item import Item, Label
from detect.errors import ConfigError
from detect.networks.image.patch_net import PatchNet
from detect.training.image.batches import BatchPlan, BatchStream
from detect.training.image.crops import CROP_SIDE, build_store, cut_crops
from detect.training.image.homemade import FAMILIES, Homemade, load_homemade
from detect.training.image.lottery import add_history, deliver, draw_delivery
from detect.training.image.pairs import build_pairs
from detect.training.image.recipe import ModelPart, read_recipe
from detect.training.image.run import join_companions, split_items

RECIPE = Path(__file__).parents[3] / "models" / "image" / "recipe.toml"


def textured(height: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 255, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def store(tmp_path):
    rows = []
    for index, (label, name) in enumerate([("real", "camera"), ("real", "phone"), ("fake", "gan"), ("fake", "dalle2")]):
        path = tmp_path / f"{index}.png"
        Image.fromarray(textured(300, 360, index)).save(path)
        rows.append(
            {
                "file": str(path),
                "label": label,
                "source" if label == "real" else "generator": name,
                "sha256": f"{index:064x}",
            }
        )
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff not a picture")
    rows.append({"file": str(tmp_path / "broken.jpg"), "label": "real", "source": "camera", "sha256": "b" * 64})
    return build_store(rows, tmp_path / "store", seed=1)


def test_store_keeps_the_pixels_and_skips_what_does_not_decode(store, tmp_path):
    assert [crop.name for crop in store.crops] == ["camera", "phone", "gan", "dalle2"]
    original = np.asarray(Image.open(tmp_path / "0.png"))
    np.testing.assert_array_equal(store.pixels(store.crops[0]), original)


def test_store_goes_on_after_a_kill_and_gains_pictures_without_changing_the_others(store, tmp_path):
    rows = [
        {"file": str(tmp_path / f"{index}.png"), "label": "real", "source": "camera", "sha256": f"{index:064x}"}
        for index in range(5)
    ]
    Image.fromarray(textured(200, 200, 9)).save(tmp_path / "4.png")
    before = [store.pixels(crop).copy() for crop in store.crops]
    folder = tmp_path / "store"
    with (folder / "crops.bin").open("ab") as sink:
        sink.write(b"half a crop of a killed run")
    grown = build_store(rows, folder, seed=1)
    assert [crop.sha256 for crop in grown.crops] == [row["sha256"] for row in rows]
    for crop, pixels in zip(grown.crops, before, strict=False):
        np.testing.assert_array_equal(grown.pixels(crop), pixels)
    np.testing.assert_array_equal(grown.pixels(grown.crops[4]), textured(200, 200, 9))
    fewer = build_store(rows[:2], folder, seed=1)
    assert [crop.sha256 for crop in fewer.crops] == [row["sha256"] for row in rows[:2]]


def test_weights_draw_a_generator_more_often(store):
    plan = BatchPlan(batch=8, side=96, pair_share=0.0, seed=3, weights={"dalle*": 0.0, "phone": 4.0})
    stream = BatchStream([(store, crop) for crop in store.crops], [], plan)
    assert dict(zip(stream.by_label["fake"], stream.weights["fake"], strict=True)) == {"gan": 1.0, "dalle2": 0.0}
    assert dict(zip(stream.by_label["real"], stream.weights["real"], strict=True)) == {"camera": 1.0, "phone": 4.0}


def test_marked_corner_of_a_generator_is_never_used(store):
    crop = store.crops[3]
    assert (crop.height, crop.width) == (round(300 * 0.85), round(360 * 0.85))


def test_large_pictures_give_native_and_reduced_crops():
    crops = list(cut_crops(Image.fromarray(textured(1600, 2000)), name="camera", rng=random.Random(0)))
    assert [kind for kind, _ in crops] == ["native", "native", "reduced"]
    assert all(max(crop.size) <= CROP_SIDE for _, crop in crops)


def test_both_halves_of_a_pair_get_the_same_delivery():
    pixels = textured(256, 256)
    for seed in range(20):
        delivery = draw_delivery(random.Random(seed))
        first, second = deliver(pixels, delivery, side=128), deliver(pixels.copy(), delivery, side=128)
        assert first.shape == (128, 128, 3)
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("shape", [(128, 128), (130, 500), (512, 512)])
def test_delivery_always_gives_the_asked_size(shape):
    for seed in range(40):
        assert deliver(textured(*shape), draw_delivery(random.Random(seed)), side=128).shape == (128, 128, 3)


def test_history_is_drawn_for_most_but_not_all():
    pixels = textured(256, 256)
    untouched = sum(add_history(pixels, random.Random(seed)) is pixels for seed in range(200))
    assert 25 < untouched < 80


def test_batches_are_balanced_and_the_same_for_the_same_seed_and_step(store):
    plan = BatchPlan(batch=8, side=128, pair_share=0.5, seed=3)
    items = [(store, crop) for crop in store.crops]
    crops, labels = BatchStream(items, [], plan).draw(5)
    again, _ = BatchStream(items, [], plan).draw(5)
    other, _ = BatchStream(items, [], plan).draw(6)
    assert labels.tolist() == [0.0, 1.0] * 4
    assert crops.shape == (8, 3, 128, 128)
    assert float(crops.min()) >= -1.0
    assert float(crops.max()) <= 1.0
    assert (crops == again).all()
    assert not (crops == other).all()


def test_held_out_names_never_train():
    names = {"camera": Label.REAL, "phone": Label.REAL, "gan": Label.FAKE, "dalle2": Label.FAKE}
    items = [Item(name, Path(name), "image", label, name) for name, label in names.items()]
    train, held = split_items(items, ["dal*", "phone"])
    assert [item.origin for item in train] == ["camera", "gan"]
    assert [item.origin for item in held] == ["phone", "dalle2"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_homemade_autoencoder_gives_back_the_picture_at_its_size(family):
    torch.manual_seed(0)
    picture = torch.nn.functional.interpolate(torch.rand(1, 3, 8, 8), (64, 96), mode="bilinear")
    with torch.inference_mode():
        restored = Homemade(family).eval()(picture)
    assert restored.shape == picture.shape
    assert (restored - picture).abs().mean() < 0.15


def test_a_homemade_autoencoder_learns_once_and_makes_pairs(store, tmp_path):
    untrained = load_homemade("tokens", store, tmp_path / "none", steps=0, seed=1)
    trained = load_homemade("tokens", store, tmp_path / "some", steps=12, seed=1)
    again = load_homemade("tokens", store, tmp_path / "some", steps=1, seed=2)
    real = torch.from_numpy(store.pixels(store.crops[0])[:256, :256].copy()).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        errors = [(net(real) - real).abs().mean().item() for net in (untrained, trained, again)]
    assert errors[1] < errors[0]
    assert errors[2] == errors[1], "what lies in the folder is taken up, not trained again"

    crops = [crop for crop in store.crops if crop.label == "real"]
    pairs = build_pairs(store, crops, tmp_path / "pairs", decoders={"homemade-tokens": lambda: trained}, seed=1)
    assert [pair.decoder for pair in pairs.pairs] == ["homemade-tokens"] * 2
    halves = pairs.pixels(pairs.pairs[0]).astype(int)
    assert 0 < np.abs(halves[0] - halves[1]).mean() < 100


def test_companions_are_shipped_beside_the_trained_network(tmp_path):
    torch.manual_seed(0)
    trained, earlier = PatchNet().eval(), PatchNet().eval()
    save_file(earlier.state_dict(), str(tmp_path / "earlier.safetensors"))
    recipe = dataclasses.replace(
        read_recipe(RECIPE),
        path=tmp_path / "recipe.toml",
        model=ModelPart("patch_net", companions=("earlier.safetensors",)),
    )
    both = join_companions(trained, recipe)
    x = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(both(x), (trained(x) + earlier(x)) / 2)
    assert join_companions(trained, dataclasses.replace(recipe, model=ModelPart("patch_net"))) is trained
    missing = dataclasses.replace(recipe, model=ModelPart("patch_net", companions=("none.safetensors",)))
    with pytest.raises(ConfigError, match=r"none\.safetensors"):
        join_companions(trained, missing)

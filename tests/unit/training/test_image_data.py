"""What the picture net is fed: no label-dependent delivery, aligned pairs, reproducible draws."""

import random

import numpy as np
import pytest
from PIL import Image

from detect.training.image.batches import BatchPlan, BatchStream, split_holdout
from detect.training.image.crops import CROP_SIDE, build_store, cut_crops
from detect.training.image.lottery import add_history, deliver, draw_delivery


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


def test_held_out_names_never_train(store):
    train, held = split_holdout([(store, crop) for crop in store.crops], ["dal*", "phone"])
    assert [crop.name for _, crop in train] == ["camera", "gan"]
    assert [crop.name for _, crop in held] == ["phone", "dalle2"]

"""PGD: it moves the white box, stays in its ball, needs no label, and its pictures go to every detector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from detect.bench.adversarial import AttackSettings, WhiteBox, attack, pgd, white_box
from detect.bench.measure import BenchOptions, list_changes
from detect.errors import ConfigError

# Larger = more checker; what a pixel detector might look at.
CHECKER = torch.from_numpy(1.0 - 2.0 * (np.indices((32, 32)).sum(axis=0) % 2)).float()


def checker_logit(x: torch.Tensor) -> torch.Tensor:
    return 40.0 * ((x.mean(dim=1)[0] * CHECKER).mean() - 0.02).reshape(1)


BOX = WhiteBox("checker", "1", checker_logit)


def picture(amplitude: float) -> Image.Image:
    pixels = 128 + amplitude * 255 * CHECKER.numpy()[..., None] + np.zeros((1, 1, 3))
    return Image.fromarray(pixels.round().astype(np.uint8))


def score(image: Image.Image) -> float:
    return float(checker_logit(torch.from_numpy(np.asarray(image, dtype=np.float32) / 255).permute(2, 0, 1)[None]))


@pytest.mark.parametrize(("amplitude", "is_fake"), [(0.03, True), (0.01, False)])
def test_the_attack_crosses_the_decision_within_its_ball(amplitude: float, is_fake: bool) -> None:
    before = picture(amplitude)
    assert (score(before) > 0) == is_fake
    after = attack(before, BOX, AttackSettings(4), np.random.default_rng(0))
    assert (score(after) > 0) != is_fake
    change = np.abs(np.asarray(after, dtype=int) - np.asarray(before, dtype=int))
    assert 0 < change.max() <= 4


def test_strength_zero_changes_nothing_and_more_strength_moves_further() -> None:
    before = picture(0.03)
    moved = [
        score(before) - score(attack(before, BOX, AttackSettings(epsilon), np.random.default_rng(0)))
        for epsilon in (0, 1, 2, 4)
    ]
    assert moved[0] == 0.0 and moved == sorted(moved) and moved[-1] > moved[1] > 0


def test_the_attack_is_a_perturbation_that_depends_on_the_item_alone(tmp_path: Path) -> None:
    picture(0.03).save(tmp_path / "a.png")
    change = pgd(BOX, AttackSettings(2))
    assert change.name == "pgd-checker-2" and "epsilon 2/255" in change.about
    folders = [tmp_path / name for name in ("1", "2")]
    for folder in folders:
        folder.mkdir()
    made = [change.apply(tmp_path / "a.png", folder, item_id="x") for folder in folders]
    assert made[0].read_bytes() == made[1].read_bytes() and made[0].suffix == ".png"


def test_white_box_from_a_users_file(tmp_path: Path) -> None:
    (tmp_path / "box.py").write_text("def make():\n    return lambda x: x.mean().reshape(1)\n")
    box = white_box(f"{tmp_path}/box.py:make", peers_dir=None, peers_code=None)
    assert float(box.logit(torch.ones(1, 3, 8, 8))) == 1.0
    words = {"perturbations": (), "attack": f"{tmp_path}/box.py:make", "epsilons": (0, 2)}
    options = BenchOptions(kind="image", manifest=tmp_path, out=tmp_path, **words)
    assert [change.name for change in list_changes(options)] == ["pgd-make-0", "pgd-make-2"]


def test_what_cannot_be_attacked_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no white box"):
        white_box("theirs", peers_dir=None, peers_code=None)
    with pytest.raises(ConfigError, match="not on audio"):
        list_changes(BenchOptions(kind="audio", manifest=tmp_path, out=tmp_path, attack="ours"))
    with pytest.raises(ConfigError, match="epsilon"):
        AttackSettings(-1)

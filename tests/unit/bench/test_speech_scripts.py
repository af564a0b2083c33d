"""The scripts of `benchmarks/` about speech: designs compared on repositories left out, and the table of speeds."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

SCRIPTS = Path(__file__).parents[3] / "benchmarks"

pytestmark = pytest.mark.skipif(not SCRIPTS.is_dir(), reason="needs the checkout")


def load_script(name: str) -> ModuleType:
    """Return a script of `benchmarks/` as a module."""
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", SCRIPTS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def write_pages(folder: Path) -> Path:
    """Write six repositories with two real buzzes and two duller ones each, and return their manifest."""
    rng = np.random.default_rng(0)
    lines = []
    for number in range(24):
        label = "fake" if number % 4 >= 2 else "real"
        moments = np.arange(48_000) / 16_000
        pitch = np.cumsum(100 + 5 * number + 20 * np.sin(3 * moments)) / 16_000
        harmonics = range(1, 8 if label == "fake" else 30)
        wave = sum(np.sin(2 * np.pi * k * pitch) / k for k in harmonics) * np.abs(np.sin(2 * moments))
        soundfile.write(folder / f"{number}.wav", 0.2 * wave + 0.001 * rng.standard_normal(48_000), 16_000)
        row = {"kind": "audio", "label": label, "split": "train", "sha256": f"{number:064d}", "file": f"{number}.wav"}
        page = number // 4
        lines.append(json.dumps({**row, "repo": f"o/{page}", "source": f"s{page}", "generator": f"g{page}"}))
    (folder / "rows.jsonl").write_text("\n".join(lines))
    return folder / "rows.jsonl"


@pytest.mark.slow
def test_designs_are_trained_without_the_fold_that_they_are_judged_on(tmp_path: Path) -> None:
    designs = load_script("speech_designs")
    (tmp_path / "recipe.toml").write_text(
        '[recipe]\nkind = "speech"\nname = "speech"\nversion = "0"\n'
        f'[data]\nmanifests = ["{write_pages(tmp_path).as_posix()}"]\nroots = []\nfolds = 2\nvoices = 0\n'
        "[crops]\ncrops = 16\ncopies = 0\n[head]\nbatch = 4\nepochs = 2\n[spectral]\nbatch = 4\n"
    )
    recipe = designs.read_recipe(tmp_path / "recipe.toml")
    result, made = designs.compare(recipe, tmp_path / "run", nets={"mel": 2}, folds=[0, 1])
    assert len(made) == 2
    assert set(result["recordings"]["designs"]) == {"statistics", "whisper", "both", "mel", "both + mel"}
    assert (result["recordings"]["real"], result["recordings"]["fake"]) == (12, 12)
    assert (result["recordings"]["real_sources"], result["recordings"]["generators"]) == (6, 6)
    heard = made[0].hear(np.zeros((2, 64_000), np.float32))
    assert {name: values.shape for name, values in heard.items()} == dict.fromkeys(heard, (2,))
    assert (tmp_path / "run" / "nets" / "mel-2-1.pt").is_file()


def test_figures_of_designs_have_intervals_and_paired_gains() -> None:
    designs = load_script("speech_designs")
    rng = np.random.default_rng(0)
    rows = [
        designs.Judged(label, f"{label}{number % 8}", {"both": float(rng.normal(label)), "better": float(10 * label)})
        for label in (0, 1)
        for number in range(80)
    ]
    part = designs.measure(rows)
    assert part["designs"]["better"]["auc"] == [1.0, 1.0, 1.0]
    auc, low, high = part["designs"]["both"]["auc"]
    assert 0.6 < low < auc < high < 0.9
    assert part["designs"]["both"]["gain"] == [0.0, 0.0, 0.0]
    assert part["designs"]["better"]["gain"][1] > 0.1
    assert "| better | 1.000 [1.000, 1.000] |" in designs.as_table("made", part)


def test_a_net_is_named_with_its_steps_or_takes_the_usual_ones() -> None:
    designs = load_script("speech_designs")
    assert designs.read_net("mel=7") == ("mel", 7)
    assert designs.read_net("raw") == ("raw", designs.STEPS["raw"])
    with pytest.raises(designs.argparse.ArgumentTypeError, match="'gru' is not one of"):
        designs.read_net("gru")


def test_means_of_designs_stand_beside_them() -> None:
    designs = load_script("speech_designs")
    logits = {"both": np.array([1.0, 2.0]), "mel": np.array([3.0, 4.0]), "raw": np.array([5.0, 9.0])}
    first, second = designs.rows_of(logits)
    assert first["both + mel"] == 2.0 and second["both + raw"] == 5.5
    assert first["both + mel + raw"] == 3.0


def test_the_table_of_speeds_stands_beside_what_is_asked_for() -> None:
    speed = load_script("audio_speed")
    line = {"audio_s": 600.0, "wall_s": 4.0, "cpu_s": 6.0, "times_real_time_wall": 150.0}
    line |= {"times_real_time_if_two_idle_cores": 200.0, "cold_later_wall_s": 0.9, "cold_later_cpu_s": 1.1}
    table = speed.as_table(line).splitlines()
    assert table[2].startswith("| 10 minutes of MP3, judged | 4.00 | 6.00 | 60 times real time | 150 times | 200 times")
    assert table[3].startswith("| 5 s of WAV, later start | 0.90 | 1.10 | 3 s | 0.90 s |")
    assert len(table) == 4

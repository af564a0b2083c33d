"""Heads for short windows: their arithmetic, their training, and the table that says when a splice is named."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from detect.errors import WeightsMismatchError
from detect.evidence.speech import SpeechExaminer
from detect.networks.audio.stretches import STRETCH_S, StretchHeads, StretchScorer
from detect.networks.zoo import find_model
from detect.training.speech.clips import Clip
from detect.training.speech.recipe import StretchPlan
from detect.training.speech.splices import MadeRecordings, splice_table
from detect.training.speech.stretches import Place, StretchWaves, fit_heads

RATE_HZ = 16_000


def make_clip(number: int, *, label: int, repo: str, samples: int = 5 * RATE_HZ) -> Clip:
    return Clip(f"{repo}{label}{number}", number * samples, samples, label, f"{repo}:{label}", repo, "", RATE_HZ)


def make_heads(features: int = 3) -> StretchHeads:
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.standard_normal(shape).astype(np.float32)  # noqa: E731
    return StretchHeads(
        draw(features), np.ones(features, np.float32), draw(2, 4, features), draw(2, 4), draw(2, 4), draw(2)
    )


def test_heads_are_one_hidden_layer_each() -> None:
    heads = make_heads()
    features = np.random.default_rng(1).standard_normal((5, 3)).astype(np.float32) * 4
    ready = np.clip(features - heads.mean, -5, 5)
    hidden = np.maximum(ready @ heads.inner[1].T + heads.inner_bias[1], 0)
    assert heads.logits(features)[:, 1] == pytest.approx(hidden @ heads.outer[1] + heads.outer_bias[1], abs=1e-5)


def test_heads_of_another_hash_are_refused(tmp_path: Path) -> None:
    (tmp_path / "stretch.safetensors").write_bytes(b"other")
    with pytest.raises(WeightsMismatchError, match="config"):
        StretchHeads.load(tmp_path / "stretch.safetensors", "0" * 64)


def test_a_recordings_level_does_not_count(sounds: SimpleNamespace) -> None:
    folder = find_model("speech")
    heads = StretchHeads.load(folder.path / folder.config["stretch"]["weights"], folder.config["stretch"]["sha256"])
    scorer = StretchScorer(folder, heads, device="cpu")
    windows = sounds.buzz(2 * STRETCH_S).reshape(2, -1)
    loud, soft = scorer.score(windows), scorer.score(windows / 50)
    assert loud == pytest.approx(soft, abs=0.02)
    torch_runs = StretchScorer(folder, heads, device="cpu", runner="torch").score(windows)
    assert loud == pytest.approx(torch_runs, abs=0.02)


def test_clips_of_one_page_travel_one_road() -> None:
    clips = [make_clip(0, label=0, repo="a"), make_clip(1, label=1, repo="a")]
    wave = (np.random.default_rng(0).standard_normal(5 * RATE_HZ) * 3000).astype(np.int16)
    waves = StretchWaves(clips, np.concatenate([wave, wave]), seed=1)
    at = {(place.clip.label, place.road, place.start): number for number, place in enumerate(waves.places)}
    assert np.array_equal(waves[at[0, 1, 16_000]], waves[at[1, 1, 16_000]])
    assert waves[0].shape == (int(STRETCH_S * RATE_HZ),)
    assert (0, 0, 8_000) in at
    assert (1, 0, 8_000) not in at  # generated clips are cut every second, real ones every half


def test_heads_learn_a_plain_difference_without_their_own_fold() -> None:
    rng = np.random.default_rng(3)
    places = [Place(make_clip(n, label=n % 2, repo="abc"[n % 3]), 0, 0) for n in range(600)]
    own = np.array([n % 3 for n in range(600)])
    features = rng.standard_normal((600, 6)).astype(np.float32)
    features[:, 2] += np.array([3.0 * place.clip.label for place in places], np.float32)
    plan = StretchPlan(hidden=8, batch=32, epochs=20, learning_rate=1e-2)
    logits = fit_heads(features, places, own, plan, folds=3).logits(features)[np.arange(600), own]
    labels = np.array([place.clip.label for place in places], bool)
    assert np.mean(logits[labels] > 0) > 0.85
    assert np.mean(logits[~labels] < 0) > 0.85


def test_the_splice_table_asks_for_clarity_that_untouched_recordings_seldom_have() -> None:
    rng = np.random.default_rng(4)
    clips = [make_clip(n, label=0, repo="ab"[n % 2]) for n in range(400)]
    places = [(clip, 0, int(at * 8_000)) for clip in clips for at in range(7)]
    logits = np.repeat(rng.normal(0, 1, len(clips)), 7)
    thresholds = [{"max_false_positive_rate": rate, "synthetic_llr": llr} for rate, llr in ((0.02, 3.0), (0.1, 1.0))]
    rows, _ = splice_table(MadeRecordings(places, logits), thresholds, seed=0)
    assert [row["llr"] for row in rows] == pytest.approx([3.001, 1.001])
    assert rows[0]["clarity"] > rows[1]["clarity"] > 0


def test_a_made_splice_that_stands_out_is_found_where_it_lies() -> None:
    real = [make_clip(n, label=0, repo="a") for n in range(12)]
    fake = [make_clip(n, label=1, repo="a") for n in range(3)]
    places = [(clip, 0, at * 8_000) for clip in real for at in range(7)]
    places += [(clip, 0, at * 16_000) for clip in fake for at in range(4)]
    logits = np.array([2.0 if clip.label else -2.0 for clip, _, _ in places])
    rows, held_out = splice_table(MadeRecordings(places, logits), [], seed=0)
    assert rows == []
    assert held_out["found_at_0.01"] == held_out["span_right"] == 1.0


def test_the_shipped_model_has_heads_for_splices() -> None:
    examiner = SpeechExaminer.load(device="cpu")
    assert examiner.stretches is not None
    assert len(examiner.splices.clarity) >= 2

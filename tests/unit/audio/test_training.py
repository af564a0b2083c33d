"""How the speech net is trained: folds, fusion, files beside a manifest, spectrogram nets, roads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from detect.networks.audio.spectral import SpectralNet, log_spectrogram
from detect.networks.audio.speech import SpeechNet
from detect.training.speech import augment, voices
from detect.training.speech.calibrate import fit_fusion
from detect.training.speech.clips import read_rows
from detect.training.speech.folds import assign_folds
from detect.training.speech.recipe import DataPlan, Recipe, SpectralPlan
from detect.training.speech.spectral import mask, score_spectral, train_spectral


def test_a_repository_lies_in_one_fold_and_folds_share_the_systems() -> None:
    systems = [(f"r{n}", n % 2, f"s{n}.{k}") for n in range(12) for k in range(4)]
    folds = assign_folds(systems, 3)
    assert set(folds) == {f"r{n}" for n in range(12)}
    assert sorted(list(folds.values()).count(fold) for fold in range(3)) == [4, 4, 4]


def test_fusion_leans_on_the_detector_that_is_right_and_never_turns_one_round() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400).astype(float)
    good, wrong = labels * 2 - 1 + 0.5 * rng.standard_normal(400), 1 - 2 * labels + 0.5 * rng.standard_normal(400)
    heard, seen, _ = fit_fusion(good, wrong, labels, np.ones(400))
    assert heard > 0.5
    assert seen == pytest.approx(0.0, abs=1e-6)


def test_files_are_found_beside_their_manifest(tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / "a.wav").write_bytes(b"RIFF")
    row = {"kind": "audio", "label": "real", "split": "train", "sha256": "a", "repo": "o/n", "file": "audio/a.wav"}
    gone = {**row, "sha256": "b", "file": "audio/gone.wav"}
    other = {**row, "sha256": "c", "split": "val"}
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(item) for item in (row, gone, other)))
    recipe = Recipe("speech", "0", DataPlan(manifests=(str(tmp_path / "rows.jsonl"),), roots=()))
    assert [item["sha256"] for item in read_rows(recipe)] == ["a"]


def test_a_voice_whose_program_writes_nothing_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voices, "VOICES", {"mute": lambda: lambda text, out, number: None})
    assert voices.make_voices(tmp_path, count=2, seed=1).read_text() == ""


def test_the_second_picture_is_blind_to_an_equaliser() -> None:
    wave = np.random.default_rng(0).standard_normal(32_000).astype(np.float32)
    spectrum = np.fft.rfft(wave) * np.linspace(0.3, 1.0, 16_001)
    tilted = np.fft.irfft(spectrum).astype(np.float32)
    plain, other = log_spectrogram(torch.from_numpy(np.stack([wave, tilted])))
    assert plain.shape == (2, 256, 126)
    assert float((plain[1] - other[1]).abs().mean()) < 0.1
    assert float((plain[0] - other[0]).abs().mean()) > 0.2


def test_a_spectrogram_net_learns_a_plain_difference_and_takes_up_its_checkpoint(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(16, dtype=np.float32) % 2
    moments = np.arange(4_096) / 16_000
    tones = 0.5 * np.sin(2 * np.pi * 3_000 * moments)[None] * labels[:, None]
    samples = ((tones + 0.1 * rng.standard_normal((16, 4_096))).clip(-1, 1) * 32767).astype(np.int16)
    plan, rows = SpectralPlan(steps=12, batch=8), np.arange(16)
    net = train_spectral(samples, rows, labels, np.ones(16, np.float32), plan, seed=1, checkpoint=tmp_path / "net.pt")
    scores = score_spectral(net, samples, rows.tolist())
    assert scores[labels == 1].min() > scores[labels == 0].max()
    again = train_spectral(samples, rows, labels, np.ones(16, np.float32), plan, seed=1, checkpoint=tmp_path / "net.pt")
    assert score_spectral(again, samples, [0, 1]) == pytest.approx(scores[:2], abs=1e-4)


def test_masks_blank_and_leave_the_shape() -> None:
    pictures = mask(torch.ones(8, 2, 256, 250), np.random.default_rng(0))
    assert pictures.shape == (8, 2, 256, 250)
    assert float((pictures[:, 1] == 0).float().mean()) > 0.02


def test_the_net_fuses_heads_and_spectrogram_nets_or_takes_the_heads_alone() -> None:
    wave = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 16_000)).astype(np.float32) * 0.1)
    plain = SpeechNet(layers=1, heads=1, features=3141, spectral=0).eval()
    with torch.inference_mode():
        assert torch.equal(plain(wave), plain.heads[0](plain.standardise(plain.describe(wave)))[:, 0])
        both = SpeechNet(layers=1, heads=1, features=3141, spectral=1).eval()
        both.fusion.copy_(torch.tensor([0.0, 2.0, 1.0]))
        assert torch.allclose(both(wave), 2 * both.spectral[0](log_spectrogram(wave)) + 1)


def test_some_crops_stay_as_delivered_but_for_their_level() -> None:
    wave = np.random.default_rng(0).standard_normal(8_000).astype(np.float32) * 0.1
    kept = 0
    for seed in range(20):
        other = augment.travel(wave, np.random.default_rng(seed))
        kept += abs(float(np.corrcoef(wave, other)[0, 1])) > 0.9999
    assert 2 <= kept <= 12
    assert isinstance(SpectralNet(), torch.nn.Module)

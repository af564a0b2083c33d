"""The kinds of small nets that are compared: each learns, and comes back from its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from detect.networks.audio.raw import RawNet
from detect.networks.audio.spectral import log_mel
from detect.training.speech.recipe import SpectralPlan
from detect.training.speech.spectral import KINDS, mask_wave, score_spectral, train_spectral

PLAN = SpectralPlan(steps=25, batch=8, learning_rate=3e-3)


def made_waves(count: int) -> np.ndarray:
    """Return noise of one second, in every second row only below 2 kHz."""
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(rng.standard_normal((count, 16_000)))
    spectrum[::2, 2_000:] *= 0.01
    wave = np.fft.irfft(spectrum)
    return np.round(8_000 * wave / np.abs(wave).max(axis=1, keepdims=True)).astype(np.int16)


@pytest.mark.parametrize("kind", KINDS)
def test_a_net_of_each_kind_learns_and_comes_back_from_its_file(kind: str, tmp_path: Path) -> None:
    waves = made_waves(24)
    labels = (np.arange(24) % 2).astype(np.float32)
    rows, even, file = np.arange(24), np.ones(24, np.float32), tmp_path / "net.pt"
    net = train_spectral(waves, rows, labels, even, PLAN, seed=1, checkpoint=file, kind=kind)
    scores = score_spectral(net, waves, rows.tolist(), kind=kind)
    assert scores.shape == (24,) and np.isfinite(scores).all()
    assert (scores[1::2].mean() - scores[::2].mean()) > 1
    again = train_spectral(waves, rows, labels, even, PLAN, seed=1, checkpoint=file, kind=kind)
    assert score_spectral(again, waves, [3], kind=kind) == pytest.approx(scores[3:4], abs=1e-4)


def test_the_raw_net_is_small_and_does_not_hear_loudness() -> None:
    torch.manual_seed(0)
    net = RawNet().eval()
    assert sum(weight.numel() for weight in net.parameters()) < 1_000_000
    wave = torch.randn(2, 16_000) * 0.1
    with torch.inference_mode():
        torch.testing.assert_close(net(wave), net(wave * 3), atol=2e-2, rtol=1e-2)


def test_masked_waves_keep_their_shape_and_lose_something() -> None:
    wave = torch.ones(16, 8_000).cumsum(1).sin()
    masked = mask_wave(wave.clone(), np.random.default_rng(0))
    assert masked.shape == wave.shape and torch.isfinite(masked).all()
    assert (masked.square().sum(1) <= wave.square().sum(1) + 1).all()
    assert (masked - wave).abs().amax(1).gt(0.1).any()


def test_mel_pictures_are_even_and_one_lacks_the_mean_of_each_band() -> None:
    wave = torch.from_numpy(made_waves(2).astype(np.float32) / 32_767)
    pictures = log_mel(wave)
    assert pictures.shape == (2, 2, 80, 100)
    assert pictures.mean((2, 3)).abs().max() < 1e-3
    assert pictures[:, 1].mean(2).abs().max() < 1e-3

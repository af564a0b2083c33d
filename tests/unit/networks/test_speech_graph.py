"""The speech net as an ONNX graph says what torch says, and Fourier in real numbers is Fourier."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import torch

from detect.engine import LocalEngine
from detect.networks.audio.chunks import CHUNK, CONTEXT, cut_chunks
from detect.networks.audio.real_fourier import real_fourier
from detect.networks.audio.speech_scorer import load
from detect.networks.zoo import list_models

SPEECH = [model for model in list_models() if model.config["kind"] == "speech"]


def windows(count: int, samples: int = 64_000) -> np.ndarray:
    """Return gliding buzzes, noise, and a burst in silence: what the statistics see differs widely."""
    rng = np.random.default_rng(0)
    moments = np.arange(samples) / 16_000
    rows = []
    for number in range(count):
        tone = np.sign(np.sin(2 * np.pi * (90 + 30 * number + 20 * np.sin(3 * moments)) * moments))
        rows.append(0.2 * tone * np.abs(np.sin(2 * moments)) + 0.02 * rng.standard_normal(samples))
    rows[-1][samples // 3 :] = 0.0
    return np.stack(rows).astype(np.float32)


@pytest.mark.parametrize(("n_fft", "hop"), [(400, 160), (512, 128)])
def test_real_fourier_equals_the_fast_one(n_fft: int, hop: int) -> None:
    wave = torch.from_numpy(windows(2, 8_000))
    window = torch.hann_window(n_fft)
    fast = torch.stft(wave, n_fft, hop, window=window, return_complex=True)
    level = torch.rand(2, 64, 501)
    fast_line = torch.fft.rfft(level, dim=-1)
    with real_fourier():
        slow = torch.stft(wave, n_fft, hop, window=window, return_complex=True)
        slow_line = torch.fft.rfft(level, dim=-1)
    torch.testing.assert_close(torch.complex(slow.real, slow.imag), fast, atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(torch.complex(slow_line.real, slow_line.imag), fast_line, atol=2e-3, rtol=1e-4)
    product, expected = slow.square() * slow.conj(), fast.square() * fast.conj()
    torch.testing.assert_close(torch.complex(product.real, product.imag), expected, atol=1e-1, rtol=1e-2)
    assert torch.is_complex(torch.stft(wave, n_fft, hop, window=window, return_complex=True))


@pytest.mark.parametrize("model", SPEECH, ids=lambda model: model.name)
def test_shipped_speech_models_agree_on_both_runners_and_through_an_engine(model) -> None:  # type: ignore[no-untyped-def]
    heard = windows(3)
    by_torch = load(model.path, device="cpu", runner="torch").score(heard)
    by_onnx = load(model.path, device="cpu", runner="onnx").score(heard)
    np.testing.assert_allclose(by_onnx, by_torch, atol=1e-3)
    with LocalEngine(cpu_lanes=2) as engine:
        scorer = load(model.path, device="cpu", schedule=engine.run)
        np.testing.assert_array_equal(scorer.score(heard), by_onnx)
        np.testing.assert_array_equal(scorer.score(heard[1:2]), by_onnx[1:2])
        assert scorer.score(heard[:0]).shape == (0,)


@pytest.mark.parametrize("model", SPEECH, ids=lambda model: model.name)
def test_the_gate_hears_the_same_on_both_runners_and_needs_what_came_before(model) -> None:  # type: ignore[no-untyped-def]
    by_torch = load(model.path, device="cpu", runner="torch")
    by_onnx = load(model.path, device="cpu", runner="onnx")
    wave = np.concatenate([*windows(3), np.zeros(70, np.float32)])
    heard = by_onnx.activity(wave)
    assert heard.shape == (-(-len(wave) // CHUNK),)
    np.testing.assert_allclose(heard, by_torch.activity(wave), atol=1e-4)
    alone = by_onnx.activity(wave[64_000:])  # the recurrent state carries over: the same sound after other sound
    assert np.abs(alone - heard[125:]).max() > 1e-3
    assert by_onnx.activity(wave[:0]).shape == by_torch.activity(wave[:0]).shape == (0,)


@pytest.mark.parametrize(("samples", "chunks"), [(0, 0), (1, 1), (512, 1), (513, 2), (1_024, 2)])
def test_a_wave_is_cut_to_chunks_that_see_the_end_of_the_one_before(samples: int, chunks: int) -> None:
    wave = np.arange(1, samples + 1, dtype=np.float32)
    cut = cut_chunks(wave)
    assert cut.shape == (chunks, CONTEXT + CHUNK)
    if chunks:
        assert not cut[0, :CONTEXT].any() and cut[0, CONTEXT] == 1
        np.testing.assert_array_equal(cut[1:, :CONTEXT], cut[:-1, -CONTEXT:])
        np.testing.assert_array_equal(cut[:, CONTEXT:].ravel()[:samples], wave)


def test_the_gate_says_what_the_published_file_says() -> None:
    if find_spec("silero_vad") is None:
        pytest.skip("silero-vad, of the extra train-speech, carries the published file")
    from onnxruntime import InferenceSession

    from detect.training.speech.pretrained import activity_file, load_activity

    session = InferenceSession(str(activity_file()), providers=["CPUExecutionProvider"])
    chunks = cut_chunks(windows(1)[0])
    state, walked = np.zeros((2, 1, 128), np.float32), []
    for chunk in chunks:
        given = {"input": chunk[None], "state": state, "sr": np.array(16_000, np.int64)}
        said, state = session.run(None, {item.name: given[item.name] for item in session.get_inputs()})
        walked.append(said.item())
    with torch.inference_mode():
        np.testing.assert_allclose(load_activity()(torch.from_numpy(chunks)).numpy(), walked, atol=1e-4)

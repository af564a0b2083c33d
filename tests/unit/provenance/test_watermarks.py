"""Watermarks that can be read offline, and the plug-ins for those that need a model."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detect.errors import ConfigError, MissingExtraError
from detect.provenance import watermark
from detect.provenance.watermark import dwtdct, perth, perth_net
from detect.provenance.watermark.plugins import MarkReading, WatermarkPlugin, _examine
from detect.provenance.watermark.stealth import examine_stealth, read_pixels
from detect.provenance.watermark.uncheckable import likely_marks
from detect.types import Evidence, MediaKind, Status
from tests.unit.provenance import unsigned

SIGNATURES = [b"stealth_pnginfo", b"stealth_pngcomp", b"stealth_rgbinfo", b"stealth_rgbcomp"]


def smooth_picture() -> np.ndarray:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:512, 0:512]
    waves = np.stack([np.sin(x / 40), np.cos(y / 50), np.sin((x + y) / 60)], -1) * 10 + np.array([120, 128, 120])
    return (waves + rng.normal(0, 2, waves.shape)).clip(0, 255).astype(np.uint8)


def stamp_dwtdct(pixels_rgb: np.ndarray, bits: tuple[int, ...]) -> np.ndarray:
    """The encoder of invisible-watermark: shift the largest coefficient of each block within its step of 36."""
    rgb = pixels_rgb.astype(np.float64)
    luma = np.rint(rgb @ [0.299, 0.587, 0.114])
    blue = np.rint((rgb[..., 2] - luma) * 0.492 + 128)
    red = np.rint((rgb[..., 0] - luma) * 0.877 + 128)
    haar = (blue[0::2, 0::2] + blue[0::2, 1::2] + blue[1::2, 0::2] + blue[1::2, 1::2]) / 2
    marked = haar.copy()
    for number, (row, column) in enumerate(np.ndindex(haar.shape[0] // 4, haar.shape[1] // 4)):
        block = marked[row * 4 : row * 4 + 4, column * 4 : column * 4 + 4]
        place = np.unravel_index(np.abs(block.ravel()[1:]).argmax() + 1, (4, 4))
        value = abs(block[place])
        block[place] = (value // 36 + 0.25 + 0.5 * bits[number % len(bits)]) * 36
    blue = blue + np.kron((marked - haar) / 2, np.ones((2, 2)))
    out_blue, out_red = luma + (blue - 128) / 0.492, luma + (red - 128) / 0.877
    out_green = (luma - 0.299 * out_red - 0.114 * out_blue) / 0.587
    return np.stack([out_red, out_green, out_blue], -1).round().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("pattern", dwtdct.PATTERNS[:3], ids=lambda pattern: pattern.name)
@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)], ids=["bgr", "rgb-for-bgr"])
def test_a_fresh_mark_is_read_and_its_generator_named(pattern: dwtdct.Pattern, order: slice) -> None:
    marked = stamp_dwtdct(smooth_picture()[..., order], pattern.bits)[..., order]
    found = watermark.examine_image(marked)
    assert (found.status, found.llr) == (Status.SCORED, 4.0)
    assert found.details["generator"] == pattern.name


def test_clean_flat_and_small_pictures_hold_no_mark() -> None:
    rng = np.random.default_rng(1)
    pictures = [
        smooth_picture(),
        rng.integers(0, 255, (400, 400, 3), dtype=np.uint8),
        np.zeros((300, 300, 3), np.uint8),
        np.full((300, 300, 3), 255, np.uint8),
        np.zeros((10, 10, 3), np.uint8),
    ]
    for pixels in pictures:
        found = watermark.examine_image(pixels)
        assert (found.status, found.llr) == (Status.NOT_APPLICABLE, 0.0)


def test_pictures_of_an_installed_package_hold_no_mark() -> None:
    data = pytest.importorskip("skimage.data")
    for name in ("astronaut", "coffee", "chelsea"):
        assert watermark.examine_image(np.asarray(getattr(data, name)())).llr == 0.0


def test_pixels_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        watermark.examine_image(np.zeros((300, 300), np.uint8))


@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda item: item.decode())
@pytest.mark.parametrize("size", [(200, 160), (600, 90)], ids=["tall", "low"])
def test_hidden_parameters_are_read_from_png(tmp_path: Path, signature: bytes, size: tuple[int, int]) -> None:
    pixels = unsigned.stealth_pixels(signature, unsigned.PARAMETERS.encode(), width=size[0], height=size[1])
    path = tmp_path / "x.png"
    Image.fromarray(pixels).save(path)
    found = examine_stealth(path, format="png")
    assert (found.status, found.llr) == (Status.SCORED, 4.0)
    assert found.details["scheme"] == signature.decode()
    assert "Sampler: Euler a" in found.details["text"]


def test_hidden_parameters_are_read_from_lossless_webp(tmp_path: Path) -> None:
    path = tmp_path / "x.webp"
    pixels = unsigned.stealth_pixels(b"stealth_rgbinfo", unsigned.PARAMETERS.encode())
    Image.fromarray(pixels).save(path, lossless=True)
    assert examine_stealth(path, format="webp").llr == 4.0


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "I;16"])
def test_ordinary_pngs_hold_nothing(tmp_path: Path, mode: str) -> None:
    pixels = smooth_picture()[:200, :160]
    picture = Image.fromarray(pixels).convert("L" if mode == "I;16" else mode)
    picture = picture.convert("I;16") if mode == "I;16" else picture
    picture.save(tmp_path / "x.png")
    assert examine_stealth(tmp_path / "x.png", format="png").llr == 0.0


@pytest.mark.parametrize("length", [0xFFFFFFFF, 8 * 10**6])
def test_a_length_that_lies_is_refused(length: int) -> None:
    pixels = unsigned.stealth_pixels(b"stealth_rgbinfo", b"")
    bits = np.unpackbits(np.frombuffer(length.to_bytes(4, "big"), np.uint8))
    plane = pixels.transpose(1, 0, 2).reshape(-1).copy()
    plane[120:152] = plane[120:152] & 0xFE | bits
    assert read_pixels(plane.reshape(200, 160, 3).transpose(1, 0, 2)) is None


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    """Three seconds of something like a voice, at Perth's own rate."""
    rng = np.random.default_rng(2)
    time_s = np.arange(3 * perth.SAMPLE_RATE_HZ) / perth.SAMPLE_RATE_HZ
    pitch = np.cumsum(140 + 30 * np.sin(2 * np.pi * 0.7 * time_s)) / perth.SAMPLE_RATE_HZ
    tones = sum(np.sin(2 * np.pi * k * pitch) / k for k in range(1, 12))
    loudness = 0.5 + 0.5 * np.sin(2 * np.pi * 3 * time_s)
    return (0.2 * loudness * tones + 0.003 * rng.normal(size=time_s.size)).astype(np.float32)


def stamp_perth(sound: np.ndarray) -> np.ndarray:
    """Perth's encoder, rebuilt from the same weights as the decoder."""
    import torch
    from torch import nn

    state = torch.load(perth.weights_path(), map_location="cpu", weights_only=True)["model"]
    sizes = [(128, 256, 1), *[(256, 256, 7)] * 5, (256, 128, 1)]
    layers: list[nn.Module] = []
    for index, (inputs, outputs, kernel) in enumerate(sizes):
        layer = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2)
        layer.load_state_dict({name: state[f"encoder.layers.{index}.conv.{name}"] for name in ("weight", "bias")})
        layers += [layer] if index == 6 else [layer, nn.LeakyReLU()]
    with torch.inference_mode():
        window = torch.hann_window(2048)
        spectrum = torch.stft(torch.from_numpy(sound), 2048, 320, window=window, return_complex=True)
        scaled = ((20 * torch.log10(spectrum.abs().clamp(min=1e-9)) + 180) / 195)[None]
        loud = scaled.sum(dim=1)
        scaled[:, :128] += nn.Sequential(*layers)(scaled[:, :128]) * (loud > loud.max() * 0.05)[:, None]
        magnitude = 10 ** ((scaled[0] * 195 - 180) / 20)
        marked = torch.polar(magnitude, spectrum.angle())
        return torch.istft(marked, 2048, 320, window=window, length=len(sound)).numpy()


def test_a_perth_mark_is_heard_and_placed_in_time(voice: np.ndarray) -> None:
    pytest.importorskip("perth.config")
    found = watermark.examine_speech(stamp_perth(voice), perth.SAMPLE_RATE_HZ)
    assert (found.status, found.llr) == (Status.SCORED, 4.0)
    assert found.where.spans[0].end_s == pytest.approx(3.0, abs=0.1)


def test_perths_layers_and_weights_are_those_of_torch(tmp_path: Path) -> None:
    import torch

    layer = torch.nn.Conv1d(3, 5, 7, padding=3)
    torch.save({"model": layer.state_dict(), "step": 1}, tmp_path / "state.pth")
    read = perth_net.read_state((tmp_path / "state.pth").read_bytes())
    assert set(read) == {"weight", "bias"}
    np.testing.assert_array_equal(read["weight"], layer.weight.detach().numpy())
    sound = np.random.default_rng(0).normal(size=(3, 20)).astype(np.float32)
    expected = layer(torch.from_numpy(sound)[None])[0].detach().numpy()
    np.testing.assert_allclose(
        perth_net.convolve(sound, perth_net.taps_of(read["weight"]), read["bias"]), expected, atol=1e-5
    )


def test_weights_that_name_anything_but_tensors_are_refused(tmp_path: Path) -> None:
    import torch

    torch.save({"model": {"evil": Path("/")}}, tmp_path / "state.pth")
    with pytest.raises(pickle.UnpicklingError, match="pathlib"):
        perth_net.read_state((tmp_path / "state.pth").read_bytes())


def test_clean_sound_noise_and_silence_carry_no_perth_mark(voice: np.ndarray) -> None:
    rng = np.random.default_rng(3)
    noise = (0.1 * rng.normal(size=(2, 48_000))).astype(np.float32)
    for sound, rate in ((voice, 32_000), (noise, 24_000), (np.zeros(32_000, np.float32), 16_000)):
        found = watermark.examine_speech(sound, rate)
        assert (found.status, found.llr) == (Status.NOT_APPLICABLE, 0.0)


def test_integer_sound_is_read_like_floating_sound(voice: np.ndarray) -> None:
    integer = (voice * 32767).astype(np.int16)[None]
    floating = watermark.examine_speech(voice, 32_000).details["strongest"]
    assert watermark.examine_speech(integer, 32_000).details["strongest"] == pytest.approx(floating, abs=0.02)


def test_without_the_extra_the_answer_says_what_to_install(voice: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise MissingExtraError("pip install 'witnessmark[watermark]'")

    monkeypatch.setattr(perth, "_load_decoder", missing)
    found = watermark.examine_speech(voice, 32_000)
    assert found.status is Status.UNAVAILABLE
    assert "witnessmark[watermark]" in found.reasons[0].text


def test_windows_of_a_long_recording_are_spread_and_counted() -> None:
    windows = perth._windows(3600.0, 12)
    assert (len(windows), windows[0][0], windows[-1][1]) == (12, 0.0, 3600.0)
    assert perth._windows(8.0, 12) == [(0.0, 8.0)]


def test_plug_ins_without_a_model_are_unavailable_and_download_nothing(tmp_path: Path) -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    found = watermark.examine_with_plugins(pixels, kind="image", models_dir=tmp_path)
    assert [item.source for item in found] == ["watermark.trustmark"]
    assert all(item.status is Status.UNAVAILABLE for item in found)
    sound = watermark.examine_with_plugins(
        np.zeros(16_000, np.float32), kind="audio", sample_rate_hz=16_000, models_dir=tmp_path
    )
    assert [item.source for item in sound] == ["watermark.audioseal", "watermark.wavmark"]
    with pytest.raises(ConfigError):
        watermark.examine_with_plugins(np.zeros(16_000, np.float32), kind="audio")


@pytest.mark.parametrize(
    ("reading", "says_ai", "status", "llr"),
    [
        (MarkReading(True, 0.9, "1010"), True, Status.SCORED, 4.0),
        (MarkReading(True, 0.9, "owner\x1b[2J"), False, Status.SCORED, 0.0),
        (MarkReading(False, 0.1), True, Status.NOT_APPLICABLE, 0.0),
    ],
    ids=["ai", "owner", "absent"],
)
def test_a_plug_in_of_ones_own_becomes_evidence(
    tmp_path: Path, reading: MarkReading, says_ai: bool, status: Status, llr: float
) -> None:
    plugin = WatermarkPlugin("mine", "image", lambda folder: lambda media: reading, says_ai=says_ai)
    found = _examine(plugin, tmp_path, (np.zeros((8, 8, 3), np.uint8),))
    assert (found.source, found.status, found.llr) == ("watermark.mine", status, llr)
    assert "\x1b" not in found.details["message"]


def test_what_cannot_be_checked_is_listed_for_every_kind() -> None:
    for kind in (MediaKind.IMAGE, MediaKind.AUDIO, MediaKind.VIDEO):
        assert "SynthID" in [mark.name for mark in watermark.list_uncheckable(kind)]


@pytest.mark.parametrize(
    ("signer", "signed_at", "expected"),
    [
        ("Google Media Processing Services, Google LLC", "2026-06-01T00:00:00+00:00", ("SynthID",)),
        ("ChatGPT, OpenAI", "2024-03-08T00:00:00+00:00", ()),
        ("ChatGPT, OpenAI", "2026-06-01T00:00:00+00:00", ("SynthID",)),
        ("Google LLC", "no trusted time", ()),
    ],
)
def test_synthid_is_inferred_from_signed_claims_of_its_time_only(
    signer: str, signed_at: str, expected: tuple[str, ...]
) -> None:
    details = {"is_ai_generated": True, "levels": {"l2": {"signed_by": signer, "signed_at": signed_at}}}
    assert likely_marks([Evidence("provenance.c2pa", Status.SCORED, llr=4.6, details=details)]) == expected
    assert likely_marks([Evidence("provenance.metadata", Status.SCORED, llr=3.0, details=details)]) == ()


def test_a_jpeg_of_a_marked_picture_is_not_called_marked_by_mistake() -> None:
    marked = stamp_dwtdct(smooth_picture(), dwtdct.PATTERNS[0].bits)
    buffer = io.BytesIO()
    Image.fromarray(marked).save(buffer, "JPEG", quality=70)
    found = watermark.examine_image(np.asarray(Image.open(buffer)))
    assert found.details.get("generator", "SDXL") == "SDXL"

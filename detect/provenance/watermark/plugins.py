"""Watermarks whose models must be brought: one small interface, four adapters, and room for your own.

    from detect.provenance.watermark import WATERMARK_PLUGINS, WatermarkPlugin
    WATERMARK_PLUGINS.add("mine", WatermarkPlugin("mine", kind="image", load=load_mine, says_ai=True))

A plug-in gets the folder of its model (`WITNESSMARK_WATERMARK_DIR/<name>`) and returns a function that reads media.
Nothing is ever downloaded: the packages would fetch their weights from the internet, so each adapter checks first that
the files are there.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from detect.errors import ConfigError, MissingExtraError
from detect.provenance.settings import user_data_dir
from detect.provenance.sound import mono_part
from detect.provenance.text import clean
from detect.provenance.watermark.weights import MARK_LLR
from detect.registry import Registry
from detect.types import Evidence, Reason, Status

MODELS_DIR_VARIABLE = "WITNESSMARK_WATERMARK_DIR"

PluginKind = Literal["image", "audio", "video"]


@dataclass(frozen=True)
class MarkReading:
    """What a plug-in found: whether the mark is there, how strongly in [0, 1], and its message."""

    is_found: bool
    score: float
    message: str = ""


ReadMark = Callable[..., MarkReading]
"""(media) for pictures (H, W, 3) uint8 and clips (T, H, W, 3); (waveform, sample_rate_hz) for sound."""


@dataclass(frozen=True)
class WatermarkPlugin:
    """A reader of one scheme.

    Attributes:
        name: Lower case; also the name of its model folder.
        kind: `image`, `audio` or `video`.
        load: From the model folder to the reader. Raises MissingExtraError when package or model is missing.
        says_ai: Whether the mark means "made by a generator" rather than "has an owner".
    """

    name: str
    kind: PluginKind
    load: Callable[[Path], ReadMark]
    says_ai: bool


WATERMARK_PLUGINS: Registry[WatermarkPlugin] = Registry("watermark plug-in")


def examine_with_plugins(
    media: npt.NDArray[Any],
    *,
    kind: PluginKind,
    sample_rate_hz: int | None = None,
    names: tuple[str, ...] | None = None,
    models_dir: Path | None = None,
) -> tuple[Evidence, ...]:
    """Return one Evidence a plug-in of that kind, `unavailable` for those whose model is not here.

    Args:
        media: (H, W, 3) uint8, (T, H, W, 3) uint8, or a waveform with `sample_rate_hz`.
        kind: Which plug-ins to ask.
        sample_rate_hz: For audio.
        names: Only these; None = all of the kind.
        models_dir: Folder of model folders; None = the environment's, else the user's data folder.

    Raises:
        ConfigError: A name is unknown, or audio without a sample rate.
    """
    if kind == "audio" and sample_rate_hz is None:
        raise ConfigError("audio plug-ins need sample_rate_hz")
    root = models_dir or Path(os.environ.get(MODELS_DIR_VARIABLE) or user_data_dir() / "watermarks")
    chosen = [WATERMARK_PLUGINS.get(name) for name in (names or WATERMARK_PLUGINS.list())]
    arguments = (media, sample_rate_hz) if kind == "audio" else (media,)
    return tuple(_examine(plugin, root / plugin.name, arguments) for plugin in chosen if plugin.kind == kind)


def _examine(plugin: WatermarkPlugin, folder: Path, arguments: tuple[Any, ...]) -> Evidence:
    source = f"watermark.{plugin.name}"
    try:
        reading = _loaded(plugin, folder)(*arguments)
    except MissingExtraError as error:
        return Evidence(source, Status.UNAVAILABLE, reasons=(Reason("watermark_model_missing", str(error)),))
    details = {"scheme": plugin.name, "score": float(reading.score), "message": clean(reading.message)}
    if not reading.is_found:
        reason = Reason("no_watermark", f"No {plugin.name} mark was found.")
        return Evidence(source, Status.NOT_APPLICABLE, reasons=(reason,), details=details)
    if not plugin.says_ai:
        text = f"A {plugin.name} mark is present. It names an owner or a credential and does not say AI."
        return Evidence(source, Status.SCORED, reasons=(Reason("watermark_present", text),), details=details)
    text = f"A {plugin.name} mark is present, which generators stamp."
    return Evidence(source, Status.SCORED, llr=MARK_LLR, reasons=(Reason("watermark_ai", text),), details=details)


@functools.lru_cache(maxsize=8)
def _loaded(plugin: WatermarkPlugin, folder: Path) -> ReadMark:
    return plugin.load(folder)


def _need(folder: Path, package: str, *files: str) -> Any:
    """Return the imported package once its model files are in the folder.

    Raises:
        MissingExtraError: The package or a file is missing; the message says which and where.
    """
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        raise MissingExtraError(f"{package}: bring its model file {missing[0]} into {folder}")
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingExtraError(f"{package} is not installed: pip install {package}") from error


def _load_audioseal(folder: Path) -> ReadMark:
    """AudioSeal 0.2: the checkpoint `detector.pth` and its configuration, given as a path, are loaded locally."""
    package = _need(folder, "audioseal", "detector.pth")
    detector = package.AudioSeal.load_detector(str(folder / "detector.pth"), nbits=16)

    def read(waveform: npt.NDArray[Any], sample_rate_hz: int) -> MarkReading:
        sound = _mono_at(waveform, sample_rate_hz, 16_000)
        torch = importlib.import_module("torch")
        probability, message = detector.detect_watermark(torch.from_numpy(sound)[None, None], 16_000)
        score = float(np.asarray(probability).mean())
        return MarkReading(score >= 0.5, score, "".join(str(int(bit)) for bit in np.asarray(message).ravel()))

    return read


def _load_wavmark(folder: Path) -> ReadMark:
    """WavMark 0.0.3: a given path keeps it from asking a hub; a mark counts when its fixed pattern is found."""
    package = _need(folder, "wavmark", "model.pkl")
    model = package.load_model(str(folder / "model.pkl"))

    def read(waveform: npt.NDArray[Any], sample_rate_hz: int) -> MarkReading:
        payload, _ = package.decode_watermark(model, _mono_at(waveform, sample_rate_hz, 16_000))
        if payload is None:
            return MarkReading(False, 0.0)
        return MarkReading(True, 1.0, "".join(str(int(bit)) for bit in payload))

    return read


def _load_trustmark(folder: Path) -> ReadMark:
    """TrustMark 0.9: reads its weights from its own package folder, so they must lie there before it starts."""
    package = _need(folder, "trustmark")
    own_folder = Path(str(package.__file__)).parent / "models"
    for name in ("trustmark_Q.yaml", "decoder_Q.ckpt", "encoder_Q.ckpt"):
        if not (own_folder / name).is_file():
            raise MissingExtraError(f"trustmark: bring its model file {name} into {own_folder}")
    reader = package.TrustMark(verbose=False, model_type="Q", loadRemover=False)

    def read(pixels_rgb: npt.NDArray[Any]) -> MarkReading:
        from PIL import Image

        secret, is_found, _ = reader.decode(Image.fromarray(pixels_rgb))
        return MarkReading(bool(is_found), float(bool(is_found)), str(secret) if is_found else "")

    return read


def _load_videoseal(folder: Path) -> ReadMark:
    """VideoSeal as its published TorchScript: it reads bits from anything, so the message to expect must be given."""
    missing = [name for name in ("model.jit", "message.txt") if not (folder / name).is_file()]
    if missing:
        raise MissingExtraError(f"videoseal: bring {missing[0]} into {folder}")
    torch = importlib.import_module("torch")
    model = torch.jit.load(str(folder / "model.jit"), map_location="cpu").eval()
    expected = np.array([int(bit) for bit in (folder / "message.txt").read_text("ascii").strip()], dtype=bool)

    def read(frames_rgb: npt.NDArray[Any]) -> MarkReading:
        frames = torch.from_numpy(np.ascontiguousarray(frames_rgb)).permute(0, 3, 1, 2).float() / 255.0
        with torch.inference_mode():
            bits = model.detect(frames)[:, 1:].mean(dim=0).numpy()[: expected.size] > 0
        share = float((bits == expected).mean())
        return MarkReading(share >= 0.9, share)

    return read


def _mono_at(waveform: npt.NDArray[Any], sample_rate_hz: int, wanted_hz: int) -> npt.NDArray[np.float32]:
    import soxr

    sound = mono_part(waveform)
    return sound if sample_rate_hz == wanted_hz else np.asarray(soxr.resample(sound, sample_rate_hz, wanted_hz))


WATERMARK_PLUGINS.add("audioseal", WatermarkPlugin("audioseal", "audio", _load_audioseal, says_ai=True))
WATERMARK_PLUGINS.add("wavmark", WatermarkPlugin("wavmark", "audio", _load_wavmark, says_ai=True))
WATERMARK_PLUGINS.add("trustmark", WatermarkPlugin("trustmark", "image", _load_trustmark, says_ai=False))
WATERMARK_PLUGINS.add("videoseal", WatermarkPlugin("videoseal", "video", _load_videoseal, says_ai=True))

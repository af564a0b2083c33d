"""Evidence source `watermark.perth`: the mark that Resemble's Chatterbox stamps into every voice it makes.

The detector's weights come with the package resemble-perth (MIT, extra `watermark`); only its decoder is needed, so it
is built here, which saves that package's imports (librosa, torchaudio, pkg_resources). Measured on 27 clips of three
seconds: clean at most 0.27, marked at least 0.72, unchanged by MP3 at 64 kbit/s. Perth, "PerthNet implicit", 250 000
steps.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from detect.errors import MissingExtraError
from detect.provenance.sound import Waveform, length_of, mono_part
from detect.provenance.watermark.weights import MARK_LLR
from detect.types import Evidence, Float32Array, Reason, Span, Status, Where

if TYPE_CHECKING:
    import torch

SOURCE = "watermark.perth"

THRESHOLD = 0.5
SAMPLE_RATE_HZ = 32_000
WINDOW_S = 8.0
MIN_WINDOW_S = 1.0
MAX_WINDOWS = 12
"""Windows looked at in a long recording, spread evenly: 0.3 s of one CPU core each."""

_WEIGHTS_FILE = Path("perth_net", "pretrained", "implicit", "perth_net_250000.pth.tar")
_WEIGHTS_SHA256 = "a15bce457ebc53ce5e6c9c3f11df78cf7ee2bf9cdab0a798902135b4c4027670"
_FFT, _HOP = 2048, 320
_HIDDEN, _TOP_HZ = 256, 2000
_FLOOR, _HEADROOM_DB = 1e-9, 15.0
_MASK_SHARE = 0.05
_SILENCE_RMS = 1e-4


def examine_speech(waveform: Waveform, sample_rate_hz: int, *, max_windows: int = MAX_WINDOWS) -> Evidence:
    """Look for Perth's mark.

    Args:
        waveform: (N,) or (channels, N), float32 in [-1, 1] or int16.
        sample_rate_hz: Of `waveform`; resampled to 32 kHz when different.
        max_windows: Windows of 8 s to look at, >= 1.

    Returns:
        `scored` with spans where the mark was heard, `not_applicable` with llr 0 when it was not, `unavailable` when
        the extra `watermark` is not installed.
    """
    if length_of(waveform) < MIN_WINDOW_S * sample_rate_hz:
        return _nothing("audio_too_short", "Less than a second of sound: too short to look for the mark.")
    try:
        decoder = _load_decoder()
    except MissingExtraError as error:
        return Evidence(SOURCE, Status.UNAVAILABLE, reasons=(Reason("missing_extra", str(error)),))
    spans = tuple(_score_windows(decoder, waveform, sample_rate_hz, max_windows))
    marked = tuple(span for span in spans if (span.p_synthetic or 0.0) >= THRESHOLD)
    strongest = max((span.p_synthetic or 0.0 for span in spans), default=0.0)
    details = {"scheme": "Perth", "threshold": THRESHOLD, "strongest": round(strongest, 4), "windows": len(spans)}
    if not marked:
        reason = Reason("no_perth_mark", "No Perth mark; most voice generators do not stamp one.")
        return Evidence(SOURCE, Status.NOT_APPLICABLE, reasons=(reason,), details=details)
    text = (
        f"The sound carries the Perth mark that Chatterbox TTS stamps (strength {strongest:.2f}, needed {THRESHOLD})."
    )
    return Evidence(
        SOURCE,
        Status.SCORED,
        llr=MARK_LLR,
        reasons=(Reason("watermark_ai", text), Reason("perth_mark", text)),
        where=Where(spans=marked),
        details=details,
    )


def weights_path() -> Path:
    """Return where the installed package keeps its weights, without importing the package.

    Raises:
        MissingExtraError: The package is not installed.
    """
    found = importlib.util.find_spec("perth")
    path = Path(found.origin).parent / _WEIGHTS_FILE if found is not None and found.origin else None
    if path is None or not path.is_file():
        raise MissingExtraError("Perth marks need the extra: pip install 'witnessmark[watermark]'")
    return path


def _score_windows(decoder: Any, waveform: Waveform, sample_rate_hz: int, max_windows: int) -> list[Span]:
    spans: list[Span] = []
    for start_s, end_s in _windows(length_of(waveform) / sample_rate_hz, max_windows):
        part = mono_part(waveform, int(start_s * sample_rate_hz), int(end_s * sample_rate_hz))
        if float(np.sqrt(np.mean(np.square(part, dtype=np.float64)))) < _SILENCE_RMS:
            continue
        score = decoder(_resample(part, sample_rate_hz))
        if math.isfinite(score):
            spans.append(Span(round(start_s, 3), round(end_s, 3), min(1.0, max(0.0, score)), "Perth mark"))
    return spans


def _windows(duration_s: float, max_windows: int) -> list[tuple[float, float]]:
    """Return windows over the recording, evenly spread when there are more than are looked at."""
    count = max(1, round(duration_s / WINDOW_S))
    if count <= max_windows:
        length = duration_s / count
        return [(index * length, min(duration_s, (index + 1) * length)) for index in range(count)]
    starts = np.linspace(0.0, duration_s - WINDOW_S, max_windows)
    return [(float(start), float(start) + WINDOW_S) for start in starts]


def _resample(part: Float32Array, sample_rate_hz: int) -> Float32Array:
    if sample_rate_hz == SAMPLE_RATE_HZ:
        return part
    import soxr

    return np.asarray(soxr.resample(part, sample_rate_hz, SAMPLE_RATE_HZ), dtype=np.float32)


@functools.lru_cache(maxsize=1)
def _load_decoder() -> Any:
    """Return a function from mono 32 kHz sound to the strength of the mark."""
    path = weights_path()
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != _WEIGHTS_SHA256:
        raise MissingExtraError("the installed resemble-perth has other weights than 1.0.1, which this reader knows")
    import io

    import torch

    state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)["model"]
    branches = {name: _branch(state, name) for name in ("slow", "normal", "fast")}
    return functools.partial(_decode, branches)


def _branch(state: dict[str, torch.Tensor], name: str) -> torch.nn.Sequential:
    """Rebuild one scale of the decoder: a pointwise layer in, five of width 7, two values out a frame."""
    from torch import nn

    subband = round((_FFT // 2 + 1) * _TOP_HZ / (SAMPLE_RATE_HZ / 2))
    sizes = [(subband, _HIDDEN, 1), *[(_HIDDEN, _HIDDEN, 7)] * 5, (_HIDDEN, 2, 1)]
    layers: list[nn.Module] = []
    for index, (inputs, outputs, kernel) in enumerate(sizes):
        layer = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2)
        prefix = f"decoder.{name}_layers.{index}.conv"
        layer.load_state_dict({"weight": state[f"{prefix}.weight"], "bias": state[f"{prefix}.bias"]})
        layers += [layer] if index == len(sizes) - 1 else [layer, nn.LeakyReLU()]
    return nn.Sequential(*layers).eval()


def _decode(branches: dict[str, torch.nn.Sequential], mono: Float32Array) -> float:
    """Return the mark's strength: three time scales, each averaged over loud frames, weighed by attention."""
    import torch
    from torch.nn import functional

    with torch.inference_mode():
        spectrum = torch.stft(
            torch.from_numpy(np.ascontiguousarray(mono)),
            n_fft=_FFT,
            hop_length=_HOP,
            window=torch.hann_window(_FFT),
            return_complex=True,
        )
        decibels = 20.0 * torch.log10(spectrum.abs().clamp(min=_FLOOR))
        floor_db = 20.0 * math.log10(_FLOOR)
        magnitudes = ((decibels - floor_db) / (_HEADROOM_DB - floor_db))[None]  # (1, frequencies, T)
        loudness = magnitudes.sum(dim=1)  # (1, T)
        mask = (loudness > loudness.max() * _MASK_SHARE).float()[:, None]
        subband = magnitudes[:, : round((_FFT // 2 + 1) * _TOP_HZ / (SAMPLE_RATE_HZ / 2))]
        frames = subband.shape[2]
        marks, attentions = [], []
        for name, scale in (("slow", 1.25), ("normal", 1.0), ("fast", 0.75)):
            size = int(frames * scale)
            scaled = functional.interpolate(subband, size=size, mode="linear", align_corners=True)
            output = branches[name](scaled if scale != 1.0 else subband)  # (1, 2, T)
            weight = functional.interpolate(mask, size=size, mode="nearest")
            attentions.append((output[:, :1] * weight).sum(dim=2) / weight.sum(dim=2))
            marks.append((output[:, 1:] * weight).sum(dim=2) / weight.sum(dim=2))
        shares = torch.softmax(torch.cat(attentions, dim=1), dim=1)
        return float((torch.cat(marks, dim=1) * shares).sum())


def _nothing(code: str, text: str) -> Evidence:
    return Evidence(SOURCE, Status.NOT_APPLICABLE, reasons=(Reason(code, text),))

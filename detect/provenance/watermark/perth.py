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

import numpy as np

from detect.errors import MissingExtraError
from detect.provenance.sound import Waveform, length_of, mono_part
from detect.provenance.watermark.perth_net import PerthDecoder, read_state
from detect.provenance.watermark.weights import MARK_LLR
from detect.types import Evidence, Float32Array, Reason, Span, Status, Where

SOURCE = "watermark.perth"

THRESHOLD = 0.5
SAMPLE_RATE_HZ = 32_000
WINDOW_S = 8.0
MIN_WINDOW_S = 1.0
MAX_WINDOWS = 12
"""Windows looked at in a long recording, spread evenly: 0.1 s of one CPU core each."""

_WEIGHTS_FILE = Path("perth_net", "pretrained", "implicit", "perth_net_250000.pth.tar")
_WEIGHTS_SHA256 = "a15bce457ebc53ce5e6c9c3f11df78cf7ee2bf9cdab0a798902135b4c4027670"
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


def _score_windows(decoder: PerthDecoder, waveform: Waveform, sample_rate_hz: int, max_windows: int) -> list[Span]:
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
def _load_decoder() -> PerthDecoder:
    """Return the decoder with the installed weights."""
    path = weights_path()
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != _WEIGHTS_SHA256:
        raise MissingExtraError("the installed resemble-perth has other weights than 1.0.1, which this reader knows")
    return PerthDecoder(read_state(data))


def _nothing(code: str, text: str) -> Evidence:
    return Evidence(SOURCE, Status.NOT_APPLICABLE, reasons=(Reason(code, text),))

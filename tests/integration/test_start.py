"""A start: what a fresh process imports to judge a recording, and what it begins while the file is still being read."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from detect.analyzer.ahead import Ahead
from detect.errors import UnknownModelError
from detect.media.sandbox import SANDBOX
from detect.types import MediaKind

UNWANTED = ("torch", "torchvision", "timm", "scipy", "sklearn", "pyarrow", "onnx", "PIL", "av", "soundfile", "jinja2")
"""Packages that would each cost between a tenth of a second and two; the decoders belong into the child."""


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Five seconds of a buzz that opens and closes like a voice."""
    import soundfile

    moments = np.arange(80_000) / 16_000
    phase = np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * moments)) / 16_000
    harmonics = sum(np.sin(2 * np.pi * k * phase) / k for k in range(1, 25))
    wave = 0.1 * harmonics * np.clip(np.sin(2 * np.pi * 2.2 * moments), 0, 1) ** 0.3
    soundfile.write(tmp_path / "short.wav", wave, 16_000, subtype="PCM_16")
    return tmp_path / "short.wav"


def test_a_later_start_judges_a_recording_without_torch_and_the_decoders(recording: Path) -> None:
    code = (
        "import sys; from detect.cli.app import run; code = run(sys.argv[1:])\n"
        f"print(code, [name for name in {UNWANTED!r} if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, "--json", str(recording)]
    first, later = (subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2))
    assert later.splitlines()[-1] == "0 []"
    assert '"audio.speech"' in later and '"audio.speech"' in first


def test_decoder_and_model_start_once_a_kind_and_nobody_waits_for_them() -> None:
    going, loaded = threading.Event(), []

    def load() -> None:
        assert going.wait(30)
        loaded.append(threading.current_thread().name)

    ahead = Ahead({MediaKind.AUDIO: load})
    for kind in (MediaKind.AUDIO, MediaKind.AUDIO, MediaKind.VIDEO):
        ahead.start(kind)
    assert not loaded
    assert any(worker.module == "detect.media.audio" for worker in SANDBOX._idle)
    going.set()
    for thread in threading.enumerate():
        if thread.name.startswith("ahead"):
            thread.join(30)
    assert len(loaded) == 1 and loaded[0].startswith("ahead")


def test_a_model_that_is_missing_is_told_by_whoever_needs_it_not_by_the_start() -> None:
    def load() -> None:
        raise UnknownModelError("no such model")

    Ahead({MediaKind.IMAGE: load}).start(MediaKind.IMAGE)
    for thread in threading.enumerate():
        if thread.name.startswith("ahead"):
            thread.join(30)

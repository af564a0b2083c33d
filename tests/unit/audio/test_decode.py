"""Decoding of recordings: formats, rates, channels, and broken or hostile headers."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest

from detect.errors import CorruptMediaError, MediaError, MediaTooLargeError, MediaTooShortError, UnsupportedMediaError
from detect.media import open_source
from detect.media.audio import _Spool, decode_audio
from detect.types import DecodedAudio, MediaFacts, MediaKind


def decode(content: bytes) -> DecodedAudio:
    with open_source(content) as source:
        return decode_audio(source)


def encode_with_av(wave: npt.NDArray[np.float32], codec: str, container: str, rate_hz: int) -> bytes:
    import av

    sink = io.BytesIO()
    with av.open(sink, "w", format=container) as out:
        track = out.add_stream(codec, rate=rate_hz)
        track.layout = "mono"
        frame = av.AudioFrame.from_ndarray((wave * 32767).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = rate_hz, 0
        shaper = av.AudioResampler(track.codec_context.format, "mono", rate_hz, track.codec_context.frame_size or 1024)
        for part in [*shaper.resample(frame), *shaper.resample(None)]:
            out.mux(track.encode(part))
        out.mux(track.encode(None))
    return sink.getvalue()


def encode_with_soundfile(wave: npt.NDArray[np.float32], container: str, subtype: str) -> bytes:
    import soundfile

    sink = io.BytesIO()
    soundfile.write(sink, wave, 22_050, format=container, subtype=subtype)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "FLOAT"),
        ("WAV", "PCM_U8"),
        ("FLAC", "PCM_24"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", "MPEG_LAYER_III"),
        ("AIFF", "PCM_16"),
    ],
)
def test_formats_of_libsndfile_come_out_at_16_khz(sounds: SimpleNamespace, container: str, subtype: str) -> None:
    rate = 24_000 if subtype == "OPUS" else 22_050
    import soundfile

    sink = io.BytesIO()
    soundfile.write(sink, sounds.buzz(1.5, rate_hz=rate), rate, format=container, subtype=subtype)
    audio = decode(sink.getvalue())
    assert audio.waveform.dtype == np.int16
    assert audio.waveform.shape[0] == 1
    assert audio.duration_s == pytest.approx(1.5, abs=0.1)
    assert audio.facts.sample_rate_hz in (rate, 48_000)


@pytest.mark.parametrize(
    ("codec", "container", "rate_hz"),
    [
        ("aac", "adts", 44_100),
        ("aac", "mp4", 44_100),
        ("libopus", "webm", 48_000),
        ("libopencore_amrnb", "amr", 8_000),
    ],
)
def test_formats_that_need_a_demuxer_come_out_at_16_khz(
    sounds: SimpleNamespace, codec: str, container: str, rate_hz: int
) -> None:
    audio = decode(encode_with_av(sounds.buzz(1.5, rate_hz=rate_hz), codec, container, rate_hz))
    assert audio.duration_s == pytest.approx(1.5, abs=0.15)
    level = np.sqrt(np.mean(audio.read(0.0, 1.5) ** 2))
    assert level == pytest.approx(np.sqrt(np.mean(sounds.buzz(1.5) ** 2)), rel=0.25)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 44_100, 192_000])
def test_a_tone_keeps_its_pitch_at_any_rate(sounds: SimpleNamespace, rate_hz: int) -> None:
    wave = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(rate_hz) / rate_hz)
    audio = decode(sounds.wav(wave, rate_hz))
    spectrum = np.abs(np.fft.rfft(audio.read(0.1, 0.9)))
    assert np.argmax(spectrum) / 0.8 == pytest.approx(1_000, abs=3)


def test_like_channels_are_averaged_and_different_ones_kept(sounds: SimpleNamespace) -> None:
    voice, other = sounds.buzz(1.0), np.random.default_rng(1).standard_normal(16_000) * 0.1
    same = decode(sounds.wav(np.stack([voice, voice], 1)))
    apart = decode(sounds.wav(np.stack([voice, other], 1)))
    assert same.waveform.shape[0] == 1
    assert [note.code for note in same.facts.notes] == ["channels_averaged"]
    assert apart.waveform.shape[0] == 2
    assert np.allclose(apart.read(0, 1, channel=0), voice, atol=2e-4)


def test_samples_that_are_not_numbers_become_silence_and_a_note(sounds: SimpleNamespace) -> None:
    wave = sounds.buzz(1.0)
    wave[100:200] = np.nan
    wave[300] = np.inf
    audio = decode(sounds.wav(wave, subtype="FLOAT"))
    assert "samples_not_finite" in [note.code for note in audio.facts.notes]
    assert np.all(audio.waveform[0, 100:200] == 0)


def test_a_recording_of_nothing_but_nan_is_refused(sounds: SimpleNamespace) -> None:
    with pytest.raises(CorruptMediaError, match="not numbers"):
        decode(sounds.wav(np.full(16_000, np.nan), subtype="FLOAT"))


@pytest.mark.parametrize("stated_hz", [0, 100, 3_000_000])
def test_impossible_rates_are_refused(sounds: SimpleNamespace, stated_hz: int) -> None:
    content = bytearray(sounds.wav(sounds.buzz(0.5)))
    place = content.index(b"fmt ") + 12
    content[place : place + 4] = struct.pack("<I", stated_hz)
    with pytest.raises(CorruptMediaError):
        decode(bytes(content))


def test_two_billion_declared_samples_cost_what_is_there(sounds: SimpleNamespace) -> None:
    content = bytearray(sounds.wav(sounds.buzz(1.0)))
    place = content.index(b"data") + 4
    content[place : place + 4] = struct.pack("<I", 2**32 - 2)
    assert decode(bytes(content)).duration_s == pytest.approx(1.0, abs=0.01)


def test_sixty_four_channels_are_averaged_and_more_are_refused(sounds: SimpleNamespace) -> None:
    wave = np.repeat(sounds.buzz(0.3)[:, None], 64, axis=1)
    assert decode(sounds.wav(wave)).waveform.shape[0] == 1
    with pytest.raises(MediaTooLargeError, match="65 channels"):
        decode(sounds.wav(np.repeat(sounds.buzz(0.3)[:, None], 65, axis=1)))


@pytest.mark.parametrize("container", ["WAV", "FLAC", "MP3"])
def test_truncated_files_decode_in_part_or_raise_a_named_error(sounds: SimpleNamespace, container: str) -> None:
    subtype = {"WAV": "PCM_16", "FLAC": "PCM_16", "MP3": "MPEG_LAYER_III"}[container]
    content = encode_with_soundfile(sounds.buzz(1.0), container, subtype)
    for cut in np.random.default_rng(5).integers(1, len(content), 4):
        try:
            audio = decode(content[: int(cut)])
        except MediaError:
            continue
        assert 0 < audio.duration_s <= 1.6


def test_no_samples_is_too_short(sounds: SimpleNamespace) -> None:
    with pytest.raises(MediaTooShortError):
        decode(sounds.wav(np.zeros(0)))


def test_a_video_without_sound_is_too_short() -> None:
    import av

    sink = io.BytesIO()
    with av.open(sink, "w", format="mp4") as out:
        track = out.add_stream("mpeg4", rate=5)
        track.width = track.height = 64
        for _ in range(5):
            out.mux(track.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        out.mux(track.encode(None))
    with pytest.raises(MediaTooShortError, match="no sound track"):
        decode(sink.getvalue())


def test_protected_sound_is_a_named_error(sounds: SimpleNamespace) -> None:
    content = encode_with_av(sounds.buzz(1.0, rate_hz=44_100), "aac", "mp4", 44_100).replace(b"mp4a", b"enca")
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    secret = np.random.default_rng(0).integers(0, 256, end - start, dtype=np.uint8).tobytes()
    with pytest.raises(CorruptMediaError, match="damaged or protected"):
        decode(content[:start] + secret + content[end:])


def test_the_sound_track_of_a_video_is_decoded_and_said_so(sounds: SimpleNamespace) -> None:
    import av

    sink, wave = io.BytesIO(), sounds.buzz(1.0, rate_hz=44_100)
    with av.open(sink, "w", format="mp4") as out:
        picture = out.add_stream("mpeg4", rate=5)
        picture.width = picture.height = 64
        track = out.add_stream("aac", rate=44_100)
        track.layout = "mono"
        for _ in range(5):
            out.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        out.mux(picture.encode(None))
        frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 44_100, 0
        shaper = av.AudioResampler("fltp", "mono", 44_100, 1024)
        for part in [*shaper.resample(frame), *shaper.resample(None)]:
            out.mux(track.encode(part))
        out.mux(track.encode(None))
    audio = decode(sink.getvalue())
    assert audio.duration_s == pytest.approx(1.0, abs=0.1)
    assert "sound_of_video" in [note.code for note in audio.facts.notes]


def test_a_picture_is_not_a_recording() -> None:
    with open_source(b"GIF89a" + bytes(20)) as source, pytest.raises(UnsupportedMediaError):
        decode_audio(source)


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("detect.media.audio.IN_MEMORY_BYTES", 1_000)
    yield


@pytest.mark.usefixtures("small_memory")
def test_long_recordings_are_mapped_from_a_file() -> None:
    spool = _Spool()
    blocks = [np.full((400, 1), value, np.int16) for value in range(5)]
    for block in blocks:
        spool.add(block)
    samples = spool.finish(2_000, 1)
    assert isinstance(samples, np.memmap)
    assert np.array_equal(samples, np.concatenate(blocks))


def test_the_suffix_is_never_believed(sounds: SimpleNamespace, tmp_path: Path) -> None:
    file = tmp_path / "voice.mp3"
    file.write_bytes(sounds.wav(sounds.buzz(0.5)))
    with open_source(file) as source:
        audio = decode_audio(source)
    assert audio.facts.codec == "pcm_16"
    assert "extension_mismatch" in [note.code for note in audio.facts.notes]


def test_what_was_read_of_a_long_recording_does_not_stay_in_memory(tmp_path: Path) -> None:
    """Pages of the spooled file are given back after every read, and reading again gives the same samples."""
    spooled = tmp_path / "spool.raw"
    np.arange(16_000 * 600, dtype=np.int16).tofile(spooled)
    mapped = np.memmap(spooled, dtype=np.int16, mode="r", shape=(16_000 * 600, 1)).T
    audio = DecodedAudio(mapped, 16_000, MediaFacts("long.wav", "", 0, MediaKind.AUDIO, "wav", "audio/wav"))

    def resident_kib() -> int:
        smaps = Path("/proc/self/smaps").read_text().split(str(spooled), 1)[1]
        return int(re.search(r"Rss:\s+(\d+) kB", smaps).group(1))  # type: ignore[union-attr]

    first = audio.read(0.0, 600.0)
    if Path("/proc/self/smaps").exists():
        assert resident_kib() < 1024
    np.testing.assert_array_equal(audio.read(0.0, 600.0), first)

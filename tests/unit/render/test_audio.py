"""Waveform, spectrogram and player of a recording on a page."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from detect.render import audio
from detect.render.audio import Sound, render_audio_section, spectrogram_rgba, waveform_path
from detect.render.html import PageItem, format_page
from detect.types import Evidence, MediaFacts, MediaKind, Report, Span, Status, Verdict, Where

RATE_HZ = 16_000


@pytest.fixture
def tone() -> Sound:
    moments = np.arange(4 * RATE_HZ) / RATE_HZ
    return Sound((0.5 * np.sin(2 * np.pi * 2_000 * moments)).astype(np.float32), RATE_HZ)


def make_report(*spans: Span) -> Report:
    facts = MediaFacts("call.wav", "0" * 64, 128_044, MediaKind.AUDIO, "wav", "audio/wav", duration_s=4.0)
    evidence = Evidence("audio.speech", Status.SCORED, llr=2.0, where=Where(spans=spans))
    return Report(verdict=Verdict.INCONCLUSIVE, authenticity=0.3, media=facts, evidence=(evidence,))


def test_flagged_stretches_are_marked_at_their_place_and_can_be_played(tone: Sound) -> None:
    html = render_audio_section(make_report(Span(1.0, 3.0, 0.91, "spliced")), tone)
    assert '<rect x="225.0" y="0" width="450.0"' in html
    assert "spliced, 1.0 to 3.0 s: 0.91" in html
    assert 'data-seek="1.00"' in html
    assert 'src="data:audio/mpeg;base64,' in html


def test_a_served_page_names_where_its_player_finds_the_sound(tone: Sound) -> None:
    html = render_audio_section(make_report(), tone, player_url="/v1/analyses/a/sound.wav")
    assert 'preload="none" src="/v1/analyses/a/sound.wav"' in html
    assert "data:audio" not in html


def test_plain_stretches_are_not_marked(tone: Sound) -> None:
    html = render_audio_section(make_report(Span(0.0, 4.0, 0.1, "authentic")), tone)
    assert "<rect" not in html
    assert "data-seek" not in html
    assert "No stretch was flagged." in html


def test_long_recordings_get_pictures_but_no_player(tone: Sound, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "MOST_PLAYED_S", 1.0)
    html = render_audio_section(make_report(), tone)
    assert "<audio" not in html
    assert "<path" in html


def test_the_spectrogram_shows_a_tone_where_it_is(tone: Sound) -> None:
    pixels = spectrogram_rgba(tone.waveform)
    row = int(pixels[..., 0].sum(axis=1).argmax())
    assert row / len(pixels) == pytest.approx(1 - 2_000 / 8_000, abs=0.02)


def test_the_envelope_spans_the_whole_width_and_stays_inside() -> None:
    numbers = [float(n) for n in re.findall(r"[\d.]+", waveform_path(np.array([2.0, -2.0] * 2_000, np.float32)))]
    assert max(numbers[::2]) == 900.0
    assert min(numbers[1::2]) == 0.0
    assert max(numbers[1::2]) == 120.0


def test_the_page_admits_its_own_sound_and_shows_it(tone: Sound) -> None:
    report = make_report(Span(1.0, 3.0, 0.91, "spliced"))
    page = format_page([PageItem(report, sound=tone)], count=1)
    assert "media-src data:" in page
    assert page.count("<audio controls") == 1
    bare = format_page([PageItem(replace(report))], count=1)
    assert "<audio controls" not in bare


def test_every_word_of_the_section_can_be_said_in_another_language(tone: Sound) -> None:
    asked: list[str] = []

    def say(text: str) -> str:
        asked.append(text)
        return re.sub(
            r"%\(\w+\)s|a", lambda found: found[0].replace("a", "ä") if len(found[0]) == 1 else found[0], text
        )

    html = render_audio_section(make_report(Span(1.0, 3.0, 0.91, "spliced")), tone, say=say)
    shown = re.sub(r"<[^>]*>", " ", html).split()
    assert set(asked) <= set(audio.TEXTS)  # what the catalogues know
    assert not [word for word in shown if "a" in word]

"""A recording for pages: its waveform as SVG and its spectrogram as PNG, with the flagged seconds marked on both, and a
player whose sound lies in the page itself."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import numpy as np

from detect.render import words
from detect.render.pictures import data_uri, png_uri
from detect.types import DecodedAudio, Float32Array, MediaKind, Report, Span, UInt8Array

WIDTH, HEIGHT = 900, 120
"""Size of both pictures in CSS pixels."""

N_FFT = 512
RANGE_DB = 70.0
"""Decibels under the loudest cell that are shown; quieter is black."""

SHOWN = {"spliced": "#b42318", "synthetic": "#d97706"}
"""Labels of spans that are marked, with their colours; the rest of the recording stays plain."""


MOST_SHOWN_S = 1800.0
"""Longer recordings get the time axis only: their waveform would be a grey block."""

MOST_PLAYED_S = 600.0
"""Longer recordings get no player: ten minutes are about 3 MB of the page."""

MOST_BUTTONS = 12

Say = Callable[[str], str]
"""Puts an English text into the language of the page; a text with `%(name)s` keeps its place holders."""

TEXTS = (
    "Waveform and spectrogram, %(seconds)s seconds",
    "Waveform above, spectrogram to %(khz)s kHz below.",
    "Coloured stretches were flagged.",
    "No stretch was flagged.",
    "A flag is a hint where to listen, not proof.",
    "Play from:",
    "%(label)s, %(start)s to %(end)s s",
    *SHOWN,
)
"""Every text of the section, for the catalogues of the page."""


@dataclass(frozen=True)
class Sound:
    """What a page may show of a recording: the judged channel (samples,) in [-1, 1] and its rate."""

    waveform: Float32Array
    sample_rate_hz: int


def is_shown(report: Report) -> bool:
    """Say whether a page shows the sound of this Report: a recording that was judged and is not very long."""
    if report.error or report.media is None or report.media.kind is not MediaKind.AUDIO:
        return False
    return (report.media.duration_s or 0.0) <= MOST_SHOWN_S


def judged_sound(report: Report, audio: DecodedAudio) -> Sound:
    """Return the channel of a recording that its Report speaks of."""
    speech = report.find("audio.speech")
    channel = int(speech.details.get("channel", 0)) if speech is not None else 0
    return Sound(audio.read(0.0, audio.duration_s, channel=channel), audio.sample_rate_hz)


def render_audio_section(report: Report, sound: Sound, *, player_url: str = "", say: Say = str) -> str:
    """Return an HTML fragment with waveform, spectrogram and player; safe to put into the report's page.

    Args:
        report: Its `audio.speech` evidence gives the spans.
        sound: The channel that was judged.
        player_url: Where the player finds the sound; without one it lies in the page itself, as MP3.
        say: Translates `TEXTS`.
    """
    evidence = report.find("audio.speech")
    spans = evidence.where.spans if evidence is not None else ()
    duration_s = max(len(sound.waveform) / sound.sample_rate_hz, 1e-9)
    flagged = [span for span in spans if span.label in SHOWN]
    marks = "".join(_mark(span, duration_s, say) for span in flagged)
    picture = png_uri(spectrogram_rgba(sound.waveform))
    title = say("Waveform and spectrogram, %(seconds)s seconds") % {"seconds": f"{duration_s:.1f}"}
    legend = (
        say("Waveform above, spectrogram to %(khz)s kHz below.") % {"khz": f"{sound.sample_rate_hz / 2000:g}"},
        say("Coloured stretches were flagged." if flagged else "No stretch was flagged."),
        say("A flag is a hint where to listen, not proof."),
    )
    return (
        '<figure class="audio" data-audio><svg role="img" viewBox="0 0 '
        f'{WIDTH} {2 * HEIGHT}" aria-label="{escape(title)}">'
        f'<path d="{waveform_path(sound.waveform)}" class="wave"/>'
        f'<image href="{picture}" y="{HEIGHT}" width="{WIDTH}" height="{HEIGHT}" preserveAspectRatio="none"/>'
        f'{marks}<line class="cursor" x1="0" y1="0" x2="0" y2="{2 * HEIGHT}" hidden=""/></svg>'
        f'<p class="ends" aria-hidden="true"><span>0:00.0</span><span>{words.clock(duration_s)}</span></p>'
        f"{_player(sound, flagged, player_url, say)}"
        f"<figcaption>{escape(' '.join(legend))}</figcaption></figure>"
    )


def _player(sound: Sound, flagged: list[Span], url: str, say: Say) -> str:
    """Return the player and a button for each flagged stretch; nothing for long recordings without an address."""
    if not url and len(sound.waveform) > MOST_PLAYED_S * sound.sample_rate_hz:
        return ""
    buttons = "".join(
        f'<button type="button" data-seek="{span.start_s:.2f}">{words.clock(span.start_s)} '
        f"{escape(say(span.label))}</button>"
        for span in flagged[:MOST_BUTTONS]
    )
    row = f'<p class="seek" hidden>{escape(say("Play from:"))} {buttons}</p>' if buttons else ""
    source = f'preload="none" src="{escape(url)}"' if url else f'preload="metadata" src="{sound_uri(sound)}"'
    return f"<audio controls {source}></audio>{row}"


def sound_uri(sound: Sound) -> str:
    """Return the sound as an MP3 data URI, encoded from samples: nothing of the original file's bytes survives."""
    import soundfile

    sink = io.BytesIO()
    samples = np.clip(sound.waveform, -1.0, 1.0)
    soundfile.write(sink, samples, sound.sample_rate_hz, format="MP3", subtype="MPEG_LAYER_III")
    return data_uri(sink.getvalue(), mime="audio/mpeg")


def waveform_path(waveform: Float32Array, *, width: int = WIDTH, height: int = HEIGHT) -> str:
    """Return the SVG path of the envelope: the highest and lowest sample of every pixel column, closed."""
    if not len(waveform):
        return ""
    edges = np.linspace(0, len(waveform), min(width, len(waveform)) + 1).astype(int)[:-1]
    middle = height / 2
    upper = middle - middle * np.clip(np.maximum.reduceat(waveform, edges), -1, 1)
    lower = middle - middle * np.clip(np.minimum.reduceat(waveform, edges), -1, 1)
    x = np.linspace(0, width, len(edges))
    there = [f"{a:.1f},{b:.1f}" for a, b in zip(x, upper, strict=True)]
    back = [f"{a:.1f},{b:.1f}" for a, b in zip(x[::-1], lower[::-1], strict=True)]
    return f"M{' L'.join([*there, *back])} Z"


def spectrogram_rgba(waveform: Float32Array, *, width: int = WIDTH, height: int = HEIGHT) -> UInt8Array:
    """Return (height, width, 4) pixels, low frequencies at the bottom, time to the right.

    Only `width` frames are transformed, whatever the length, so an hour costs as much as a second.
    """
    padded = np.pad(waveform, (0, max(0, N_FFT - len(waveform))))
    starts = np.linspace(0, len(padded) - N_FFT, width).astype(int)
    frames = padded[starts[:, None] + np.arange(N_FFT)] * np.hanning(N_FFT)
    level = 20 * np.log10(np.abs(np.fft.rfft(frames, axis=1)) + 1e-9)  # (width, bins)
    bins = np.linspace(0, level.shape[1] - 1, height).astype(int)
    shade = np.clip(1 + (level[:, bins].T[::-1] - level.max()) / RANGE_DB, 0, 1)
    pixels = np.empty((height, width, 4), np.uint8)
    pixels[..., 0] = 255 * shade
    pixels[..., 1] = 255 * shade**1.5
    pixels[..., 2] = 80 + 120 * shade * (1 - shade)
    pixels[..., 3] = 255
    return pixels


def _mark(span: Span, duration_s: float, say: Say) -> str:
    """Return a translucent box over both pictures, with its words as tooltip."""
    start = WIDTH * max(0.0, span.start_s / duration_s)
    width = max(1.0, WIDTH * (min(span.end_s, duration_s) - span.start_s) / duration_s)
    told = say("%(label)s, %(start)s to %(end)s s") % {
        "label": say(span.label),
        "start": f"{span.start_s:.1f}",
        "end": f"{span.end_s:.1f}",
    }
    score = "" if span.p_synthetic is None else f": {span.p_synthetic:.2f}"
    return (
        f'<rect x="{start:.1f}" y="0" width="{width:.1f}" height="{2 * HEIGHT}" fill="{SHOWN[span.label]}" '
        f'fill-opacity="0.28"><title>{escape(told + score)}</title></rect>'
    )

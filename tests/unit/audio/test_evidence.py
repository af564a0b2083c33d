"""From decoded sound to Evidence: gate, windows, splices, spans, and what is refused."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from detect.evidence.activity import MUSIC_TONALITY, find_spans
from detect.evidence.music import examine as examine_music
from detect.evidence.speech import LEAST_SPEECH_S, SpeechExaminer, SpliceTable, join_moments
from detect.evidence.splice import find_contrast, timeline
from detect.evidence.windows import Window, plan_dense, plan_windows, read_windows
from detect.networks.audio.tonality import measure_tonality
from detect.types import Finding, Status


@pytest.fixture(scope="module")
def examiner() -> SpeechExaminer:
    return SpeechExaminer.load(device="cpu")


def test_pauses_are_bridged_and_bursts_dropped() -> None:
    heard = np.zeros(300, bool)
    heard[10:60] = heard[65:100] = heard[200:203] = True
    assert find_spans(heard) == ((pytest.approx(0.32), pytest.approx(3.2)),)


def test_a_short_recording_gives_one_window_from_first_to_last_word() -> None:
    assert plan_windows([(0.5, 1.5), (2.0, 3.0)], 3.2, window_s=4.0) == (Window(0.5, 3.0),)


def test_windows_cover_speech_to_its_end_and_skip_silence() -> None:
    windows = plan_windows([(0.0, 10.0), (30.0, 40.0)], 40.0, window_s=4.0)
    assert windows[0].start_s == 0.0
    assert windows[-1].end_s == 40.0
    assert not any(12.5 < window.start_s < 27.0 for window in windows)


def test_without_speech_there_are_no_windows() -> None:
    assert plan_windows([], 10.0, window_s=4.0) == ()


def test_a_short_window_is_repeated_not_padded(sounds: SimpleNamespace) -> None:
    audio = sounds.decoded(sounds.buzz(1.0))
    (batch,) = read_windows(audio, [Window(0.0, 1.0)], window_s=4.0)
    assert batch.shape == (1, 64_000)
    assert np.array_equal(batch[0, :16_000], batch[0, 16_000:32_000])


def test_held_notes_are_tonal_and_gliding_voices_are_not(sounds: SimpleNamespace) -> None:
    noise = np.random.default_rng(0).standard_normal(80_000).astype(np.float32)
    assert measure_tonality(sounds.chord(5)) > 0.5
    assert measure_tonality(sounds.buzz(5)) < 0.4
    assert abs(measure_tonality(noise)) < MUSIC_TONALITY


def make_windows(seconds: float) -> list[Window]:
    return [Window(start, start + 4.0) for start in np.arange(0.0, seconds - 3.9, 1.0)]


def test_the_contrast_is_where_the_logits_rise() -> None:
    windows = make_windows(30)
    logits = np.array([3.0 if 10 <= (w.start_s + w.end_s) / 2 <= 16 else -1.0 for w in windows])
    contrast = find_contrast(*timeline(windows, logits))
    assert contrast is not None
    overlap = min(contrast.end_s, 16) - max(contrast.start_s, 10)
    assert overlap / (max(contrast.end_s, 16) - min(contrast.start_s, 10)) > 0.7
    assert contrast.inside > 1 > contrast.outside


def test_flat_logits_have_no_clear_contrast_and_short_files_none() -> None:
    flat = find_contrast(*timeline(make_windows(30), np.zeros(27)))
    assert flat is not None
    assert flat.clarity <= 0
    assert find_contrast(*timeline([Window(0, 3)], np.zeros(1))) is None


def test_a_doubtful_stretch_gains_little_from_a_rest_that_sounds_very_real() -> None:
    windows = make_windows(30)
    inside = [10 <= (window.start_s + window.end_s) / 2 <= 16 for window in windows]
    doubtful = find_contrast(*timeline(windows, np.where(inside, 0.0, -8.0)))
    clear = find_contrast(*timeline(windows, np.where(inside, 3.0, -2.0)))
    assert doubtful is not None
    assert clear is not None
    assert clear.clarity > 2 * doubtful.clarity


def test_the_longer_a_recording_the_clearer_a_contrast_must_be() -> None:
    def clarity(seconds: float) -> float:
        windows = make_windows(seconds)
        found = find_contrast(*timeline(windows, np.array([3.0 if 4 <= w.start_s <= 8 else -3.0 for w in windows])))
        assert found is not None
        return found.clarity

    assert clarity(20) > clarity(80) + 0.5


def test_splices_are_looked_for_in_files_of_six_seconds_to_half_an_hour() -> None:
    assert plan_dense([(0.0, 5.5)], 5.5, window_s=2.0) == ()
    assert plan_dense([(0.0, 1900.0)], 1900.0, window_s=2.0) == ()
    short, long = (plan_dense([(0.0, end)], end, window_s=2.0) for end in (30.0, 300.0))
    assert [window.start_s for window in short[:3]] == [0.0, 0.5, 1.0]
    assert [window.start_s for window in long[:3]] == [0.0, 1.0, 2.0]


def test_the_splice_table_is_silent_below_its_first_row_and_rises() -> None:
    table = SpliceTable.from_config([{"clarity": 5.0, "llr": 3.0}, {"clarity": 4.0, "llr": 2.0}])
    assert table.to_llr(3.99) == float("-inf")
    assert table.to_llr(4.5) == pytest.approx(2.5)
    assert table.to_llr(9.0) == 3.0


def test_moments_of_one_leaning_join_to_spans_and_gaps_split_them() -> None:
    moments = np.array([0.25, 0.75, 1.25, 1.75, 9.25])
    spans = join_moments(moments, np.array([2.0, 2.0, -2.0, -2.0, -2.0]))
    assert [(span.start_s, span.end_s, span.label) for span in spans] == [
        (0.0, 1.0, "synthetic"),
        (1.0, 2.0, "authentic"),
        (9.0, 9.5, "authentic"),
    ]


@pytest.mark.parametrize(
    ("name", "code"),
    [("silence", "audio_silent"), ("noise", "audio_without_speech"), ("chord", "audio_is_music")],
)
def test_what_is_not_speech_is_not_judged(
    sounds: SimpleNamespace, examiner: SpeechExaminer, name: str, code: str
) -> None:
    wave = {
        "silence": np.zeros(48_000, np.float32),
        "noise": 0.1 * np.random.default_rng(3).standard_normal(48_000).astype(np.float32),
        "chord": sounds.chord(6),
    }[name]
    evidence = examiner.examine(sounds.decoded(wave))
    assert evidence.status is Status.NOT_APPLICABLE
    assert evidence.reasons[0].code == code
    assert evidence.llr == 0.0


def test_too_little_speech_is_not_judged(sounds: SimpleNamespace, examiner: SpeechExaminer) -> None:
    evidence = examiner.examine(sounds.decoded(sounds.buzz(1.2)))
    assert evidence.status is Status.NOT_APPLICABLE
    assert float(evidence.details["speech_s"]) < LEAST_SPEECH_S


def test_a_voice_is_scored_with_spans_in_its_seconds(
    sounds: SimpleNamespace, examiner: SpeechExaminer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examiner.scorer, "activity", lambda wave: np.ones(-(-len(wave) // 512), np.float32))
    evidence = examiner.examine(sounds.decoded(sounds.buzz(7.0)))
    assert evidence.status is Status.SCORED
    assert evidence.interval is not None
    assert evidence.interval.low <= evidence.llr <= evidence.interval.high
    assert evidence.where.spans
    assert all(0 <= span.start_s < span.end_s <= 7.6 for span in evidence.where.spans)


def hear_step(
    examiner: SpeechExaminer, monkeypatch: pytest.MonkeyPatch, *, until_s: float, inside: float, outside: float
) -> None:
    """Let 30 s be speech that sounds real as a whole, with another logit in the short windows from 10 s on."""
    monkeypatch.setattr(examiner.scorer, "activity", lambda wave: np.ones(-(-len(wave) // 512), np.float32))
    centres = np.arange(0, 28.1, 0.5) + 1
    logits = np.where((centres >= 10) & (centres <= until_s), inside, outside)
    monkeypatch.setattr(examiner.scorer, "score", lambda windows: np.full(len(windows), -2.0))
    monkeypatch.setattr(examiner.stretches, "score", lambda windows: logits[: len(windows)])


def test_a_clear_contrast_is_manipulated_and_names_its_seconds(
    sounds: SimpleNamespace, examiner: SpeechExaminer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hear_step(examiner, monkeypatch, until_s=18, inside=8.0, outside=-8.0)
    evidence = examiner.examine(sounds.decoded(sounds.buzz(30.0)))
    assert evidence.finding is Finding.MANIPULATED
    spliced = evidence.where.spans[0]
    assert spliced.label == "spliced"
    assert spliced.start_s == pytest.approx(10, abs=1.6)
    assert spliced.end_s == pytest.approx(18, abs=1.6)


def test_a_stretch_that_only_leans_is_shown_and_accuses_nobody(
    sounds: SimpleNamespace, examiner: SpeechExaminer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hear_step(examiner, monkeypatch, until_s=15, inside=0.8, outside=-1.0)
    evidence = examiner.examine(sounds.decoded(sounds.buzz(30.0)))
    assert evidence.finding is Finding.SYNTHETIC
    assert evidence.llr < 0
    first = evidence.where.spans[0]
    assert (first.label, first.start_s, first.end_s) == (
        "synthetic",
        pytest.approx(9.5, abs=1),
        pytest.approx(15.5, abs=1),
    )


def test_music_is_named_and_never_scored() -> None:
    evidence = examine_music(tonality=0.61234)
    assert evidence.status is Status.NOT_APPLICABLE
    assert evidence.reasons[0].code == "music_not_judged"
    assert evidence.details == {"kind": "music", "tonality": 0.612}

"""The whole path of a clip, with random weights: frames, faces and sound in one Report, on one timeline."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import detect
from detect.analyzer import Analyzer, AnalyzerSettings
from detect.errors import CorruptMediaError
from detect.fusion import sigmoid
from detect.render.html import PageItem, format_page
from detect.render.text import format_report
from detect.types import Status
from tests.unit.media.clips import make_clip


@pytest.fixture(scope="module")
def clip_models(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny picture model also as `video` and `face`."""
    folder = tmp_path_factory.mktemp("clip-models")
    for name in ("image", "video", "face"):
        shutil.copytree(tiny_models / "image", folder / name)
        path = folder / name / "config.json"
        config = json.loads(path.read_text())
        config["name"] = config["kind"] = name
        config["input"]["margin"] = 1.25
        config["calibration"]["frame"] = {"slope": 1.0, "intercept": 0.0, "cap": 3.0}
        config["calibration"]["contrast"] = [{"clarity": 5.0, "llr": 1.0}, {"clarity": 8.0, "llr": 3.0}]
        path.write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def analyzer(clip_models: Path) -> Analyzer:
    return Analyzer(AnalyzerSettings(models_dir=clip_models, device="cpu"))


@pytest.fixture(scope="module")
def clip() -> bytes:
    return make_clip(frames=60, size=(192, 144), sound=True)


def test_a_clip_is_judged_by_its_frames_and_its_ledger_adds_up(analyzer, clip):
    report = analyzer.analyze(clip, name="clip.mp4")
    frames = report.find("video.frames")
    assert frames.status is Status.SCORED and frames.details["frames"] == 16
    assert report.find("face.swap").reasons[0].code == "face_none"
    total = report.prior_log_odds + sum(line.llr for line in report.contributions)
    assert 1 - report.authenticity == pytest.approx(sigmoid(total), abs=1e-6)
    assert report.operating.calibration_id == "tiny"


def test_facts_of_pictures_and_sound_stand_together(analyzer, clip):
    media = analyzer.analyze(clip, name="clip.mp4").media
    assert (media.width, media.height, media.codec) == (192, 144, "h264")
    assert media.duration_s == pytest.approx(3.0, abs=0.1)
    assert media.sample_rate_hz == 16_000


def test_seconds_cover_the_clip_and_survive_json(analyzer, clip):
    report = analyzer.analyze(clip, name="clip.mp4")
    assert [row["start_s"] for row in report.find("video.frames").details["seconds"]] == [0.0, 1.0, 2.0]
    data = json.loads(json.dumps(detect.report_to_dict(report), allow_nan=False))
    assert detect.report_to_dict(detect.report_from_dict(data)) == data


def test_limits_say_that_moments_were_sampled_unless_all_were(clip_models, clip):
    for dense in (False, True):
        settings = AnalyzerSettings(models_dir=clip_models, device="cpu", dense=dense)
        codes = {limit.code for limit in Analyzer(settings).analyze(clip).limits}
        assert ("frames_sampled" in codes) is not dense


def test_faces_that_nobody_asked_for_are_not_looked_at(clip_models, clip):
    settings = AnalyzerSettings(models_dir=clip_models, device="cpu", judge_faces=False)
    assert Analyzer(settings).analyze(clip).find("face.swap").reasons[0].code == "faces_not_asked"


def test_without_a_frame_model_the_sound_is_still_judged(tiny_models, clip):
    report = Analyzer(AnalyzerSettings(models_dir=tiny_models, device="cpu")).analyze(clip)
    assert report.find("video.frames").reasons[0].code == "no_video_model"
    assert report.find("face.swap").status is Status.UNAVAILABLE


def test_frames_that_do_not_decode_are_an_error_when_nothing_else_does(analyzer, clip):
    with pytest.raises(CorruptMediaError):
        analyzer.analyze(clip[: len(clip) // 2])


def test_a_silent_gif_is_judged(analyzer):
    report = analyzer.analyze(make_clip(container="gif", codec="gif", pixel_format="rgb8", fps=10), name="clip.gif")
    assert report.find("video.frames").status is Status.SCORED
    assert report.media.format == "gif"


def test_the_page_has_a_scrubber_stills_and_a_table_twin(analyzer, clip):
    report = analyzer.analyze(clip, name="clip.mp4")
    stills = [(0.5, np.full((90, 120, 3), 90, np.uint8)), (1.5, np.full((90, 120, 3), 200, np.uint8))]
    page = format_page([PageItem(report, stills=stills)], count=1)
    assert 'class="scrubber" type="range"' in page
    assert page.count('class="still"') == 2
    assert page.count('<tr><th scope="row">0:0') >= 3


def test_the_terminal_names_frames_and_time(analyzer, clip):
    text = format_report(analyzer.analyze(clip, name="clip.mp4"))
    assert "Frames of the clip" in text and "0:00.0 to 0:03.0" in text

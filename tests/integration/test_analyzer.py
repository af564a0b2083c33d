"""The whole path of a file, with random weights: what a Report must hold whatever the model says."""

import io
import itertools
import json
import shutil

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

import detect
from detect.analyzer import Analyzer, AnalyzerSettings
from detect.errors import ConfigError, CorruptMediaError, MediaUnreadableError
from detect.fusion import sigmoid
from detect.types import Status, Verdict


@pytest.fixture(scope="module")
def analyzer(tiny_models):
    return Analyzer(AnalyzerSettings(models_dir=tiny_models, device="cpu"))


def test_ledger_adds_up_to_the_score(analyzer, make_photo):
    report = analyzer.analyze(make_photo())
    total = report.prior_log_odds + sum(line.llr for line in report.contributions)
    assert 1 - report.authenticity == pytest.approx(sigmoid(total), abs=1e-6)
    assert report.interval.low <= report.authenticity <= report.interval.high
    assert {item.source for item in report.evidence} >= {"image.pixels", "provenance.c2pa", "provenance.metadata"}
    assert (report.media.width, report.media.height) == (320, 240)


@pytest.mark.parametrize(("threshold", "decided"), [pytest.param(3.9, False, id="undecided"), (0.0, True)])
def test_only_a_decided_answer_is_tried_on_reshipped_copies(tiny_models, tmp_path, make_photo, threshold, decided):
    shutil.copytree(tiny_models, tmp_path / "models")
    path = tmp_path / "models" / "image" / "config.json"
    config = json.loads(path.read_text())
    config["calibration"]["thresholds"][0] |= {"synthetic_llr": threshold, "authentic_llr": -threshold}
    path.write_text(json.dumps(config))
    report = Analyzer(AnalyzerSettings(models_dir=path.parents[1], device="cpu")).analyze(make_photo())
    assert (report.stability is not None) == decided


def test_path_bytes_and_file_object_give_the_same_answer(analyzer, make_photo):
    path = make_photo()
    data = path.read_bytes()
    answers = [analyzer.analyze(path), analyzer.analyze(data, name="a.jpg"), analyzer.analyze(io.BytesIO(data))]
    assert len({answer.authenticity for answer in answers}) == 1
    assert len({answer.media.sha256 for answer in answers}) == 1


def test_report_survives_json(analyzer, make_photo):
    report = analyzer.analyze(make_photo())
    data = json.loads(json.dumps(detect.report_to_dict(report), allow_nan=False))
    assert detect.report_to_dict(detect.report_from_dict(data)) == data


@pytest.mark.parametrize(
    ("content", "error"),
    [
        pytest.param(b"\xff\xd8\xff\xe0 but no picture follows", CorruptMediaError, id="broken-jpeg"),
        pytest.param(None, MediaUnreadableError, id="missing"),
    ],
)
def test_one_file_that_cannot_be_judged_is_an_error(analyzer, tmp_path, content, error):
    path = tmp_path / "file.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error) as caught:
        analyzer.analyze(path)
    assert caught.value.code == error.code


def test_a_batch_keeps_order_and_goes_on_after_bad_files(analyzer, make_photo, tmp_path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("not a picture at all")
    files = [
        make_photo("a.jpg"),
        tmp_path / "empty.jpg",
        make_photo("b.png", seed=1),
        tmp_path / "text.jpg",
        tmp_path / "missing.png",
        tmp_path,
        make_photo("c.webp", seed=2),
    ]
    reports = list(analyzer.analyze_many(files))
    assert [report.path for report in reports] == [str(file) for file in files]
    assert [report.error is None for report in reports] == [True, False, True, False, False, False, True]
    assert all(report.authenticity is None and report.error.code for report in reports if report.error)


def test_a_batch_reads_an_endless_list_lazily(analyzer, make_photo):
    path = make_photo(width=80, height=80)
    reports = analyzer.analyze_many(itertools.repeat(path))
    assert [next(reports).error for _ in range(3)] == [None, None, None]
    reports.close()


def test_batch_and_single_give_the_same_score(analyzer, make_photo):
    files = [make_photo(f"{seed}.png", seed=seed, width=200 + 40 * seed) for seed in range(3)]
    together = [report.authenticity for report in analyzer.analyze_many(files)]
    assert together == pytest.approx([analyzer.analyze(file).authenticity for file in files], abs=1e-6)


def with_parameters(path, tmp_path):
    """Return a copy of a PNG that carries the text of a Stable Diffusion interface."""
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Model hash: abc")
    copy = tmp_path / "marked.png"
    Image.open(path).save(copy, pnginfo=info)
    return copy


def test_unsigned_mark_raises_the_score_and_its_removal_only_goes_back(analyzer, make_photo, tmp_path):
    plain = make_photo("plain.png")
    marked = analyzer.analyze(with_parameters(plain, tmp_path))
    bare = analyzer.analyze(plain)
    assert marked.authenticity < bare.authenticity
    assert bare.find("provenance.metadata").llr == 0.0
    assert bare.find("image.pixels").llr == pytest.approx(marked.find("image.pixels").llr)


def test_without_provenance_only_pixels_speak(tiny_models, make_photo, tmp_path):
    settings = AnalyzerSettings(models_dir=tiny_models, read_provenance=False, check_stability=False, locate=False)
    report = Analyzer(settings).analyze(with_parameters(make_photo("plain.png"), tmp_path))
    assert [item.source for item in report.evidence] == ["image.pixels"]
    assert report.stability is None
    assert report.evidence[0].where.heat_map is None
    assert {"provenance_not_read", "stability_not_checked"} <= {limit.code for limit in report.limits}


def test_flat_and_tiny_pictures_are_not_applicable_with_a_reason(analyzer, tmp_path):
    for name, pixels in {
        "flat.png": np.full((200, 200, 3), 7, np.uint8),
        "dot.png": np.zeros((1, 1, 3), np.uint8),
    }.items():
        Image.fromarray(pixels).save(tmp_path / name)
        report = analyzer.analyze(tmp_path / name)
        assert report.verdict is Verdict.NOT_APPLICABLE
        assert report.authenticity is None
        assert report.find("image.pixels").status is Status.NOT_APPLICABLE


def test_a_budget_that_no_data_supports_accuses_nobody(tiny_models, make_photo):
    settings = AnalyzerSettings(models_dir=tiny_models, max_false_positive_rate=0.0001, prior_log_odds=9.0)
    assert Analyzer(settings).analyze(make_photo()).verdict is not Verdict.LIKELY_SYNTHETIC


@pytest.mark.parametrize("bad", [{"max_false_positive_rate": 0.0}, {"prior_log_odds": 11.0}])
def test_settings_out_of_range_are_refused(bad):
    with pytest.raises(ConfigError):
        AnalyzerSettings(**bad)


def test_fingerprint_changes_with_what_decides(tiny_models):
    first = Analyzer(AnalyzerSettings(models_dir=tiny_models))
    same = Analyzer(AnalyzerSettings(models_dir=tiny_models, locate=False))
    other = Analyzer(AnalyzerSettings(models_dir=tiny_models, max_false_positive_rate=0.01))
    assert first.fingerprint == same.fingerprint != other.fingerprint

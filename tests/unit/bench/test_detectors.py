"""What counts as a detector, and what its answers mean."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from detect.bench.detectors import resolve as resolving
from detect.bench.detectors.base import Prediction, check_detectors
from detect.bench.detectors.ours import to_prediction
from detect.bench.detectors.resolve import ResolveSettings, resolve
from detect.errors import ConfigError
from detect.types import (
    Contribution,
    ErrorFacts,
    Evidence,
    Reason,
    Report,
    Status,
    Verdict,
)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = []
    for index in range(3):
        found.append(tmp_path / f"f{index}.bin")
        found[-1].write_bytes(bytes([index]) * (index + 1))
    return found


@pytest.mark.parametrize(
    ("answer", "score", "p", "verdict"),
    [
        (0.75, 1.0986, 0.75, "likely_synthetic"),
        (0.25, -1.0986, 0.25, "likely_authentic"),
        ("0.5", 0.0, 0.5, "likely_synthetic"),
        ({"p_synthetic": 0.75}, 1.0986, 0.75, "likely_synthetic"),
        ({"authenticity": 0.25, "verdict": "inconclusive"}, 1.0986, 0.75, "inconclusive"),
        ({"llr": -2.0}, -2.0, 0.1192, "likely_authentic"),
        ({"score": 17.0}, 17.0, None, ""),
    ],
)
def test_answers_point_towards_synthetic(answer: object, score: float, p: float | None, verdict: str) -> None:
    found = Prediction.of_answer(answer)
    assert found.score == pytest.approx(score, abs=1e-4)
    assert found.p_synthetic == (None if p is None else pytest.approx(p, abs=1e-4))
    assert found.verdict == verdict and not found.error


@pytest.mark.parametrize("answer", [float("nan"), 1.5, -0.1, "cat", None, {}, {"score": float("inf")}, {"error": "x"}])
def test_answers_that_are_no_score_are_errors(answer: object) -> None:
    found = Prediction.of_answer(answer)
    assert found.score is None and found.error


def test_a_certain_answer_stays_finite_and_keeps_its_order() -> None:
    sure, nearly = Prediction.of_probability(1.0), Prediction.of_probability(0.999999)
    assert sure.score is not None and nearly.score is not None and nearly.score < sure.score < 40


def test_function_from_a_file(tmp_path: Path, files: list[Path]) -> None:
    (tmp_path / "mine.py").write_text("import os\ndef judge(path):\n    return os.path.getsize(path) / 4\n")
    detector = resolve(f"size={tmp_path}/mine.py:judge", ResolveSettings(workers=2))
    assert detector.name == "size"
    assert [found.p_synthetic for found in detector.predict_many(files)] == [0.25, 0.5, 0.75]


def test_an_edited_function_has_another_fingerprint(tmp_path: Path) -> None:
    file = tmp_path / "changing.py"
    prints = []
    for value in ("0.1", "0.2"):
        file.write_text(f"def judge(path):\n    return {value}\n")
        prints.append(resolve(f"{file}:judge").fingerprint)
    assert prints[0] != prints[1]


def test_class_with_predict(tmp_path: Path, files: list[Path]) -> None:
    (tmp_path / "cls.py").write_text("class Net:\n    def predict(self, path):\n        return {'llr': 1.5}\n")
    assert [found.score for found in resolve(f"{tmp_path}/cls.py:Net").predict_many(files)] == [1.5] * 3


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import sys; print(0.75)", ""),
        ("import sys; print('loading'); print('{\"authenticity\": 0.25}'); sys.exit(3)", ""),
        ("import sys; sys.exit('no model')", "exit code 1: no model"),
        ("print('cat')", "exit code 0"),
    ],
    ids=["number", "our own json with a flag's exit code", "failure", "nonsense"],
)
def test_command_line(tmp_path: Path, files: list[Path], code: str, error: str) -> None:
    (tmp_path / "job.py").write_text(code)
    detector = resolve(f"job=cmd:{sys.executable} {tmp_path}/job.py {{file}}")
    (found,) = detector.predict_many(files[:1])
    if error:
        assert found.score is None and (error in found.error or "neither a number" in found.error)
    else:
        assert found.p_synthetic == 0.75


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_good = b'name="file"; filename="f0.bin"' in body
        self.send_response(200 if is_good else 422)
        self.end_headers()
        self.wfile.write(json.dumps({"report": {"authenticity": 0.25}} if is_good else {"title": "no"}).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/v1/analyses"
        running.shutdown()
        thread.join()


def test_server_answers_and_refusals(server: str, files: list[Path]) -> None:
    good, bad = list(resolve(f"api={server}").predict_many(files[:2]))
    assert good.p_synthetic == 0.75
    assert bad.error.startswith("HTTP 422")


def test_server_that_is_away_is_an_error_row(files: list[Path]) -> None:
    (found,) = resolve("api=http://127.0.0.1:9/x").predict_many(files[:1])
    assert found.error


def test_recorded_predictions_are_found_by_name(tmp_path: Path, files: list[Path]) -> None:
    (tmp_path / "scores.csv").write_text("name,p_synthetic\nf0.bin,0.75\nf1.bin,0.25\n")
    found = list(resolve(str(tmp_path / "scores.csv")).predict_many(files))
    assert [answer.p_synthetic for answer in found] == [0.75, 0.25, None]
    assert found[2].error == "not in the predictions file"


def test_packages_register_detectors_by_entry_point(monkeypatch: pytest.MonkeyPatch, files: list[Path]) -> None:
    entry = EntryPoint("theirs", "tests_fake_package:make", resolving.ENTRY_POINT_GROUP)
    monkeypatch.setattr(resolving, "entry_points", lambda group: [entry] if group == entry.group else [])

    class Module:
        @staticmethod
        def make() -> object:
            class Net:
                name = "theirs"
                fingerprint = "1"

                def predict_many(self, paths: list[Path]) -> Iterator[Prediction]:
                    yield from (Prediction.of_llr(1.0) for _ in paths)

            return Net()

    monkeypatch.setitem(sys.modules, "tests_fake_package", Module)  # type: ignore[arg-type]
    assert [found.score for found in resolve("theirs").predict_many(files)] == [1.0] * 3
    assert resolve("other=theirs").name == "other"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("nothing", "ours"),
        ("no.such.module:predict", "cannot import"),
        ("json:no_such_function", "has no 'no_such_function'"),
        ("ours@/no/such/folder", "does not exist"),
        ("peer:ferretnet-s", "--peers"),
        ("peer:feretnet-s", "ferretnet-s"),
        ("x=cmd:", "empty command"),
    ],
)
def test_words_that_name_nothing_say_what_would(spec: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        resolve(spec)


def test_two_detectors_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def judge(path):\n    return 0.5\n")
    one = resolve(f"a={tmp_path}/mine.py:judge")
    with pytest.raises(ConfigError, match="called a"):
        check_detectors([one, one])


def test_our_score_is_the_content_evidence_before_the_prior() -> None:
    evidence = Evidence("image.pixels", Status.SCORED, llr=1.5, details={"logit": 0.4})
    other = Evidence("watermark.perth", Status.SCORED, llr=0.5)
    report = Report(Verdict.LIKELY_SYNTHETIC, 0.1, None, evidence=(other, evidence), prior_log_odds=3.0)
    found = to_prediction(report)
    assert (found.score, found.raw, found.verdict) == (1.5, 0.4, "likely_synthetic")
    assert found.p_synthetic == pytest.approx(0.9)


def test_our_score_without_content_evidence_is_the_ledger() -> None:
    lines = (Contribution("a", 0.5, 0.5), Contribution("b", -0.2, -0.2))
    assert to_prediction(Report(Verdict.INCONCLUSIVE, 0.4, None, contributions=lines)).score == pytest.approx(0.3)


def test_our_refusals_are_rows_with_their_reason() -> None:
    small = Report(Verdict.NOT_APPLICABLE, None, None, reasons=(Reason("picture_too_small", "x"),))
    assert to_prediction(small).error == "not applicable: picture_too_small"
    broken = Report(Verdict.NOT_APPLICABLE, None, None, error=ErrorFacts("corrupt_media", "bad"))
    assert to_prediction(broken).error == "corrupt_media: bad"

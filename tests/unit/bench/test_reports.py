"""Predictions -> metrics -> tables, cards, calibration and audit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from detect.bench.audit import audit
from detect.bench.calibrate import BUDGETS, CalibrationSettings, calibrate, deal_folds
from detect.bench.calibration_files import calibrate_run, copy_model
from detect.bench.cards import make_card, render_card, write_card
from detect.bench.data.leaks import find_leaks
from detect.bench.data.manifest import read_manifest
from detect.bench.report import merge_runs, write_report
from detect.bench.scores import resampling_units
from detect.bench.store import PredictionStore, Row
from detect.bench.summary import SummarySettings, summarize
from detect.bench.tables import latex, markdown, page
from detect.errors import ConfigError
from detect.fusion import Calibration

FAST = SummarySettings(replicates=60)


def make_rows(
    detector: str = "d", *, shift: float = 2.0, count: int = 120, origins: int = 6, perturbation: str = "clean@1"
) -> list[Row]:
    """Return scores of `count` files a label with `origins` origins each; verdicts abstain around zero."""
    rng = np.random.default_rng(len(detector) + round(shift * 10))
    rows = []
    for index in range(2 * count):
        fake = index % 2 == 1
        score = float(rng.normal(shift / 2 if fake else -shift / 2, 1.0))
        verdict = "likely_synthetic" if score > 0.5 else "likely_authentic" if score < -0.5 else "inconclusive"
        rows.append(
            Row(
                detector=detector,
                perturbation=perturbation,
                id=str(index),
                kind="image",
                label="fake" if fake else "real",
                origin=f"{'gen' if fake else 'src'}{index // 2 % origins}",
                slices=json.dumps({"language": "en" if index % 4 < 2 else "de"}),
                score=score,
                p_synthetic=float(1 / (1 + np.exp(-score))),
                verdict=verdict,
                ms=10.0,
                cpu_ms=8.0,
                peak_rss_mb=100.0,
            )
        )
    return rows


def test_summary_counts_what_has_no_score_and_why() -> None:
    rows = [
        *make_rows(count=20),
        Row(detector="d", perturbation="clean@1", id="x", label="real", origin="src0", error="corrupt_media: bad"),
    ]
    (cell,) = summarize(rows, settings=FAST)["results"]
    assert cell["files"]["real"] == 21 and cell["files"]["without_score"] == {"real": 1, "fake": 0, "edited": 0}
    assert cell["files"]["errors"] == [{"error": "corrupt_media: bad", "files": 1}]
    assert cell["decisions"]["coverage"]["value"] < 40 / 41  # a file without a score is undecided


def test_summary_is_the_same_from_parquet_as_from_memory(tmp_path: Path) -> None:
    rows = make_rows()
    store = PredictionStore(tmp_path)
    store.append(rows[:100])
    store.append(rows[100:])
    from_disk = write_report(tmp_path, settings=FAST)
    in_memory = summarize(sorted(rows, key=lambda row: row.key), settings=FAST)
    assert from_disk["results"][0]["ranking"] == in_memory["results"][0]["ranking"]
    assert json.loads((tmp_path / "metrics.json").read_text())["results"] == from_disk["results"]


def test_worst_cases_need_enough_files() -> None:
    rows = make_rows(origins=5)
    bad = [
        Row(detector="d", perturbation="clean@1", id=f"b{i}", label="real", origin="rare", score=9.0,
            p_synthetic=1.0, verdict="likely_synthetic")
        for i in range(3)
    ]  # fmt: skip
    (cell,) = summarize([*rows, *bad], settings=FAST)["results"]
    assert cell["worst"]["source"]["origin"] != "rare"
    rare = next(line for line in cell["sources"] if line["origin"] == "rare")
    assert rare["accused"]["value"] == 1.0 and rare["accused"]["low"] < 0.5


def test_raw_scores_rank_where_the_ratio_is_capped() -> None:
    rows = [
        Row(detector="d", perturbation="none@1", id=str(i), label="fake" if i >= 10 else "real", origin=str(i % 4),
            score=min(4.0, i - 8.0), raw=float(i), p_synthetic=0.5, verdict="inconclusive")
        for i in range(20)
    ]  # fmt: skip
    (cell,) = summarize(rows, settings=FAST)["results"]
    assert cell["ranking"]["auroc"]["value"] == 1.0


def test_comparison_finds_the_better_detector() -> None:
    rows = [*make_rows("good", shift=3.0), *make_rows("poor", shift=0.5)]
    (line,) = summarize(rows, settings=FAST)["comparisons"]
    assert (line["first"], line["second"], line["files"]) == ("good", "poor", 240)
    assert line["delong"]["p_value"] < 0.001 and line["difference"]["low"] > 0


def test_no_false_accusation_still_has_an_interval() -> None:
    rows = [row for row in make_rows(count=40)]
    rows = [Row(**{**vars(row), "verdict": "inconclusive" if row.label == "real" else row.verdict}) for row in rows]
    (cell,) = summarize(rows, settings=FAST)["results"]
    rate = cell["decisions"]["false_accusation_rate"]
    assert rate["value"] == 0.0 and 0.05 < rate["high"] < 0.15  # Wilson: 0 of 40


class _Counter(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]


def test_reports_of_a_run_agree_and_escape_names(tmp_path: Path) -> None:
    rows = [*make_rows("net_<b>&1"), *make_rows("other", shift=1.0)]
    summary = summarize(rows, settings=FAST)
    text, tex, html = markdown.render_report(summary), latex.render_report(summary), page.render_report(summary)
    auroc = f"{summary['results'][0]['ranking']['auroc']['value']:.3f}"
    assert auroc in text and auroc in tex and auroc in html
    assert "net_<b>" not in html and r"net\_\textless{}b\textgreater{}\&1" in tex
    assert tex.count(r"\begin{tabular}") == tex.count(r"\end{tabular}")
    counter = _Counter()
    counter.feed(html)
    assert counter.tags["table"] >= 5 and counter.tags["svg"] == 2
    assert "script" not in counter.tags and counter.addresses == []


def test_every_latex_row_has_the_columns_of_its_head() -> None:
    tex = latex.render_report(summarize(make_rows(), settings=FAST))
    for body in re.findall(r"\\begin\{tabular\}\{(l\w*)\}(.*?)\\end\{tabular\}", tex, re.DOTALL):
        for line in body[1].splitlines():
            if line.endswith(r"\\"):
                assert len(re.findall(r"(?<!\\)&", line)) == len(body[0]) - 1


def test_slices_show_who_is_accused() -> None:
    (cell,) = summarize(make_rows(), settings=FAST)["results"]
    assert [(line["slice"], line["value"]) for line in cell["slices"]] == [("language", "de"), ("language", "en")]
    assert sum(line["real"] for line in cell["slices"]) == 120


def test_calibration_recovers_the_true_ratios_and_its_block_is_read_by_the_fusion() -> None:
    rows = [Row(**{**vars(row), "raw": (row.score or 0.0) * 3 + 5}) for row in make_rows(count=900, shift=2.0)]
    block = calibrate(rows, calibration_id="t-1", kind="image", data_hash="x")
    # two unit Gaussians 2 apart have llr = 2 * score; raw = 3 * score + 5
    assert block["slope"] == pytest.approx(2 / 3, rel=0.1)
    assert block["intercept"] == pytest.approx(-10 / 3, rel=0.12)
    held_out = block["held_out"]
    assert held_out["min_cllr"] <= held_out["cllr"] < held_out["min_cllr"] + 0.05
    read = Calibration.from_config(block)
    assert read.operating(0.02).synthetic_threshold == block["thresholds"][BUDGETS.index(0.02)]["synthetic_llr"]


def test_thresholds_keep_their_budget_on_fresh_files() -> None:
    rows = make_rows("a", count=1000, origins=40)
    block = calibrate(rows, calibration_id="t", kind="image", data_hash="")
    fresh = make_rows("another", count=1000, origins=40)
    llr = np.array([block["slope"] * (row.score or 0) + block["intercept"] for row in fresh if row.label == "real"])
    for row in block["thresholds"]:
        if row["max_false_positive_rate"] >= 0.01:
            assert np.mean(llr >= row["synthetic_llr"]) <= 1.6 * row["max_false_positive_rate"] + 0.003


def test_a_budget_that_the_files_cannot_show_accuses_nothing() -> None:
    block = calibrate(make_rows(count=60), calibration_id="t", kind="image", data_hash="")
    smallest = block["thresholds"][0]
    assert smallest["max_false_positive_rate"] == 0.001 and smallest["synthetic_llr"] > block["cap"]


def test_folds_deal_whole_origins() -> None:
    is_fake = np.repeat([False, True], 30)
    origins = [f"o{i // 5}" for i in range(60)]
    folds = deal_folds(is_fake, origins, folds=5, seed=0)
    for name in set(origins):
        assert len({fold for fold, origin in zip(folds, origins, strict=True) if origin == name}) == 1
    assert set(folds) == set(range(5))


def test_a_useless_detector_is_calibrated_to_abstain() -> None:
    rows = [Row(**{**vars(row), "score": -(row.score or 0.0)}) for row in make_rows(count=100)]
    block = calibrate(rows, calibration_id="t", kind="image", data_hash="")
    assert 0 < block["slope"] < 0.01 and block["held_out"]["cllr"] == pytest.approx(1.0, abs=0.01)


def test_calibration_needs_several_origins_of_both_labels() -> None:
    with pytest.raises(ConfigError, match="2 sources"):
        calibrate(make_rows(origins=1), calibration_id="t", kind="image", data_hash="")
    with pytest.raises(ConfigError, match="folds"):
        CalibrationSettings(folds=1)


def write_model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(
        json.dumps({"name": "image", "version": "1", "sha256": "ab", "calibration": {}})
    )
    (folder / "model.safetensors").write_bytes(b"w")
    (folder / "metrics.json").write_text("{}")
    return folder


def test_calibrated_copy_of_a_model_keeps_weights_and_drops_old_figures(tmp_path: Path) -> None:
    PredictionStore(tmp_path / "run").append(make_rows())
    model = write_model(tmp_path / "models" / "image")
    block = calibrate_run(tmp_path / "run", tmp_path / "cal", detector="d")
    copy_model(model, tmp_path / "mine" / "image", block)
    config = json.loads((tmp_path / "mine" / "image" / "config.json").read_text())
    assert Calibration.from_config(config["calibration"]).id == block["id"]
    assert sorted(path.name for path in (tmp_path / "mine" / "image").iterdir()) == ["config.json", "model.safetensors"]
    assert json.loads((tmp_path / "cal" / "calibration.json").read_text()) == block
    assert (tmp_path / "cal" / "reliability.svg").read_text().startswith("<svg")
    with pytest.raises(ConfigError, match="never overwrites"):
        copy_model(model, tmp_path / "mine" / "image", block)


def test_error_card_holds_every_source_and_generator(tmp_path: Path) -> None:
    PredictionStore(tmp_path / "run").append(make_rows("ours"))
    model = write_model(tmp_path / "image")
    text = write_card(tmp_path / "run", model, detector="ours", replicates=50)
    card = json.loads((model / "error_card.json").read_text())
    assert card["model"] == {"name": "image", "version": "1", "sha256": "ab"}
    result = card["results"]["clean@1"]
    assert [line["origin"] for line in result["sources"]] == [f"src{i}" for i in range(6)]
    assert all(f"| src{i} |" in text and f"| gen{i} |" in text for i in range(6))
    assert (model / "ERROR_CARD.md").read_text() == text == render_card(card)
    with pytest.raises(ConfigError, match="there are: ours"):
        make_card(summarize(make_rows("ours"), settings=FAST), detector="theirs", model={})


def test_audit_catches_what_vanishes_and_clears_what_stays() -> None:
    leaky = [*make_rows("leaky", shift=4.0, perturbation="none@1"), *make_rows("leaky", shift=0.0)]
    found = audit(leaky, detector="leaky", replicates=60)
    assert found.is_leaky and found.shortcut_index is not None and found.shortcut_index > 0.8
    steady = make_rows("steady", shift=2.0, perturbation="none@1")
    after = [Row(**{**vars(row), "perturbation": name}) for row in steady for name in ("clean@1", "equal-container@1")]
    cleared = audit([*steady, *after], detector="steady", replicates=60)
    assert not cleared.is_leaky and cleared.moved_by_container == 0.0 and cleared.shortcut_index == 0.0


def test_audit_catches_scores_that_follow_the_container_even_at_equal_auroc() -> None:
    before = make_rows("d", perturbation="none@1")
    after = [Row(**{**vars(row), "perturbation": "equal-container@1", "score": (row.score or 0) + 1}) for row in before]
    found = audit([*before, *after], detector="d", replicates=20)
    assert found.moved_by_container == 1.0 and found.is_leaky


def test_leaks_between_splits_are_found(make_manifest: Callable[..., Path], tmp_path: Path) -> None:
    from PIL import Image

    make_manifest(2, split="train")
    manifest = make_manifest(2, split="val")
    (tmp_path / "val-0.png").write_bytes((tmp_path / "train-0.png").read_bytes())
    with Image.open(tmp_path / "train-2.png") as picture:
        picture.convert("RGB").resize((60, 60)).save(tmp_path / "val-2.png")
    found = find_leaks(read_manifest(manifest))
    # drawn alike in both splits by their seeds, except for the two that were replaced above
    assert ("train-0", "val-0") in found.same_file
    assert ("train-2", "val-2") in found.near_copy
    assert "real src0" in found.shared_origins and not found.is_clean


def test_one_file_under_two_labels_is_named(tmp_path: Path) -> None:
    rows = []
    for name, label in (("a", "real"), ("b", "fake")):
        (tmp_path / f"{name}.png").write_bytes(b"same")
        rows.append(json.dumps({"id": name, "path": f"{name}.png", "label": label, "split": "val"}))
    (tmp_path / "m.jsonl").write_text("\n".join(rows))
    found = find_leaks(read_manifest(tmp_path / "m.jsonl"), perceptual=False)
    assert found.two_labels == [("a", "b")]


def test_runs_of_the_same_data_join_and_others_are_refused(tmp_path: Path) -> None:
    facts = {"version": "1", "data": "d", "data_hash": "h", "seed": 0, "items": {}, "absent": [], "environment": {}}
    for name, data_hash in (("a", "h"), ("bb", "h"), ("ccc", "other")):
        PredictionStore(tmp_path / name).append(make_rows(name))
        run = {**facts, "data_hash": data_hash, "detectors": {name: "1"}, "perturbations": ["clean@1"]}
        (tmp_path / name / "run.json").write_text(json.dumps(run))
    merge_runs([tmp_path / "a", tmp_path / "bb"], tmp_path / "both")
    summary = write_report(tmp_path / "both", settings=FAST)
    assert summary["run"]["detectors"] == {"a": "1", "bb": "1"} and len(summary["comparisons"]) == 1
    with pytest.raises(ConfigError, match="another data_hash"):
        merge_runs([tmp_path / "a", tmp_path / "ccc"], tmp_path / "bad")


def test_one_source_a_label_is_resampled_by_its_groups() -> None:
    rows = [replace(row, group=f"person-{index % 5}") for index, row in enumerate(make_rows(origins=1))]
    (cell,) = summarize(rows, settings=FAST)["results"]
    assert cell["ranking"]["auroc"]["low"] < cell["ranking"]["auroc"]["value"] < cell["ranking"]["auroc"]["high"]
    assert resampling_units(make_rows(origins=2)[:2]) == ("src0", "gen0")

"""Figures in documents come from runs: blocks are written, checked, and agree with what a model folder ships."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from detect.bench.audit import audit, audit_table, read_audit
from detect.bench.cards import write_card
from detect.bench.quote import NOT_MEASURED, quote, quote_text
from detect.bench.store import PredictionStore
from detect.bench.summary import SummarySettings, summarize
from detect.cli.app import run
from detect.errors import ConfigError
from tests.unit.bench.test_reports import make_rows, write_model

FAST = SummarySettings(replicates=30)
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def tree() -> dict[str, object]:
    rows = [
        *make_rows("ours"),
        *make_rows("peer", shift=0.5),
        *make_rows("trivial", shift=0.1),
        *make_rows("ours", perturbation="pgd-ours-2@1", shift=0.3),
    ]
    facts = {"data_hash": "ab" * 32, "perturbations": ["clean@1", "pgd-ours-2@1"], "absent": [{"files": 3}]}
    return json.loads(json.dumps(summarize(rows, settings=FAST, run=facts)))


def test_a_block_is_replaced_and_what_stands_around_it_stays(tree: dict[str, object]) -> None:
    text = "before\n<!-- quote image ranking ours -->\nold | 0.999 |\n<!-- /quote -->\nafter\n"
    written = quote_text(text, {"image": tree})
    assert written.startswith("before\n<!-- quote image ranking ours -->\n") and written.endswith(
        "<!-- /quote -->\nafter\n"
    )
    assert "0.999" not in written and "| ours | clean | 120+120 |" in written and "| peer |" not in written
    assert quote_text(written, {"image": tree}) == written
    assert "<!-- quote image ranking ours -->" in written


def test_blocks_of_other_sources_stay_as_they_are(tree: dict[str, object]) -> None:
    text = "<!-- quote speech ranking -->\nold\n<!-- /quote -->"
    assert quote_text(text, {"image": tree}) == text


def test_summary_sets_ours_beside_the_outside_of_the_files(tree: dict[str, object]) -> None:
    line = next(row for row in quote(tree, "summary").splitlines() if row.startswith("| clean |"))
    results = {cell["detector"]: cell for cell in tree["results"] if cell["perturbation"] == "clean@1"}  # type: ignore
    assert f"{results['ours']['ranking']['auroc']['value']:.3f}" in line
    assert f"{results['trivial']['ranking']['auroc']['value']:.3f}" in line


def test_comparisons_name_ours_first_with_the_sign_turned(tree: dict[str, object]) -> None:
    (line,) = [row for row in quote(tree, "comparison", only=("ours", "peer")).splitlines() if "| ours | peer |" in row]
    assert float(line.split("|")[5].split()[0]) > 0.1


def test_attack_lists_strengths_and_about_tells_absent_files(tree: dict[str, object]) -> None:
    assert "| ours | 2 | ours |" in quote(tree, "attack")
    assert "3 further listed files were not on the machine" in quote(tree, "about")
    assert "- `clean`: AUC" in quote(tree, "about")


def test_what_cannot_be_quoted_is_named(tree: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="there are: about, attack"):
        quote(tree, "everything")
    with pytest.raises(ConfigError, match="there are: ours, peer, trivial"):
        quote(tree, "ranking", only=("theirs",))


def test_a_model_fresh_from_training_has_no_figures_to_quote() -> None:
    assert quote({"weights_sha256": "ab", "held_out": {"auc": 0.8}}, "ranking") == NOT_MEASURED


def test_an_audit_survives_its_file() -> None:
    found = audit([*make_rows(perturbation="none@1"), *make_rows(perturbation="clean@1")], detector="d", replicates=20)
    again = read_audit(json.loads(json.dumps(found.to_dict())))
    assert audit_table(again) == audit_table(found)


def test_card_leaves_figures_that_documents_can_quote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    PredictionStore(tmp_path / "run").append([*make_rows("ours"), *make_rows("peer", shift=0.5)])
    model = write_model(tmp_path / "image")
    (model / "metrics.json").write_text(json.dumps({"weights_sha256": "ab", "held_out": 0.8}))
    write_card(tmp_path / "run", model, detector="ours", replicates=20)
    metrics = json.loads((model / "metrics.json").read_text())
    assert metrics["held_out"] == 0.8 and {cell["detector"] for cell in metrics["results"]} == {"ours", "peer"}
    assert "<svg" in (model / "reliability.svg").read_text()
    page = tmp_path / "page.md"
    page.write_text("<!-- quote image verdicts ours -->\n<!-- /quote -->\n")
    words = ["bench", "quote", str(page), "--source", f"image={model}"]
    assert run([*words, "--check"]) == 1
    assert run(words) == 0 and "| ours | clean |" in page.read_text()
    assert run([*words, "--check"]) == 0
    (model / "config.json").write_text(json.dumps({**json.loads((model / "config.json").read_text()), "sha256": "cd"}))
    write_card(tmp_path / "run", model, detector="ours", replicates=20)
    assert "held_out" not in json.loads((model / "metrics.json").read_text())


SOURCES = {
    **{folder.parent.name: folder.parent for folder in sorted((ROOT / "models").glob("*/metrics.json"))},
    **{file.stem: file for file in sorted((ROOT / "benchmarks" / "results").glob("*.json"))},
}
DOCUMENTS = [
    path
    for path in (
        ROOT / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "models").glob("*/README.md")),
    )
    if "<!-- quote " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("path", DOCUMENTS, ids=[str(path.relative_to(ROOT)) for path in DOCUMENTS])
def test_no_figure_in_a_marked_block_was_typed_by_hand(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    sources = {
        name: json.loads((file / "metrics.json" if file.is_dir() else file).read_text())
        for name, file in SOURCES.items()
    }
    assert quote_text(text, sources) == text, "run scripts/figures.sh (or witnessmark bench quote)"

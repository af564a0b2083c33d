"""The notebook of `examples/`: every cell runs, and Reports show themselves as cards."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from detect.networks.zoo import list_models

NOTEBOOK = Path(__file__).parents[2] / "examples" / "tour.ipynb"


def run_cell(source: str, namespace: dict[str, object]) -> object:
    """Run a cell and return the value of its last expression, as a notebook shows it."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), namespace)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), namespace) if last is not None else None


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not list_models(), reason="needs the trained models")
def test_every_cell_runs_and_a_report_is_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    namespace: dict[str, object] = {}
    shown = [run_cell("".join(cell["source"]), namespace) for cell in cells if cell["cell_type"] == "code"]
    card = shown[1]._repr_html_()  # type: ignore[union-attr]
    assert "authenticity" in card.lower() and "<script" not in card
    assert set(shown[3]) == {"none", "jpeg-40", "social-whatsapp", "rerecord"}  # type: ignore[call-overload]


def test_notebook_is_stored_without_results() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code")

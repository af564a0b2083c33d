"""Tables as LaTeX (booktabs), ready to `\\input` into a paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detect.bench.tables.model import Table, all_tables

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "−": "$-$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def escape(text: str) -> str:
    """Return the text with LaTeX's special characters escaped."""
    return "".join(_ESCAPES.get(character, character) for character in text)


def render_table(table: Table) -> str:
    """Return one `table` environment; the first column is left-aligned, the others are right-aligned."""
    columns = "l" + "r" * (len(table.head) - 1)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(table.caption)}. {escape(table.note)}}}".replace(". }", ".}"),
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _line(table.head),
        r"\midrule",
        *(_line(row) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _line(cells: tuple[str, ...]) -> str:
    return " & ".join(escape(cell) for cell in cells) + r" \\"


def render_report(summary: Mapping[str, Any]) -> str:
    """Return all tables; the document needs `\\usepackage{booktabs}`."""
    return "% needs \\usepackage{booktabs}\n\n" + "\n".join(render_table(table) for table in all_tables(summary))

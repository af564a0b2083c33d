"""A Report for a terminal: words first, then score, reasons, evidence, provenance, and what it cannot tell."""

from __future__ import annotations

import io
from collections.abc import Iterable

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from detect.render import words
from detect.render.ledger import build_ledger
from detect.render.levels import flat_lines, read_levels
from detect.text import clean_text
from detect.types import Evidence, Reason, Report, Span, Status, Verdict

MIN_WIDTH = 40
"""Narrower terminals get lines of this width, and wrap."""

_STYLES = {
    Verdict.LIKELY_AUTHENTIC: "bold green",
    Verdict.LIKELY_SYNTHETIC: "bold red",
    Verdict.LIKELY_MANIPULATED: "bold magenta",
    Verdict.INCONCLUSIVE: "bold yellow",
    Verdict.NOT_APPLICABLE: "bold",
}
_BAR_CELLS = 41
_LEVELS_SHOWN = ("l1", "l2")  # the whole tree and the codes are for the HTML page and the JSON
_MAX_SPANS = 8


def format_report(report: Report, *, width: int = 80, has_color: bool = False) -> str:
    """Return the full card of one Report, ending with a line feed.

    Args:
        report: The Report.
        width: Columns of the terminal; at least 40 are used.
        has_color: Add ANSI colours. Nothing is told by colour alone.
    """
    return _to_text(_card(report), width=width, has_color=has_color)


def format_row(report: Report, *, width: int = 80, has_color: bool = False) -> str:
    """Return one Report as a single line (for long lists): symbol, verdict, score, name, first reason."""
    line = Text.assemble(
        (f"{words.verdict_symbol(report)} {words.verdict_title(report):<23}", _style(report)),
        f" {words.score(report.authenticity) if report.authenticity is not None else '-':>5}  ",
        (_tail(_shown_name(report), max(width, MIN_WIDTH) // 2), "bold"),
    )
    told = report.error.message if report.error else (report.reasons[0].text if report.reasons else "")
    if told:
        line.append(f"  {clean_text(told)}", "dim")
    line.truncate(max(width, MIN_WIDTH), overflow="ellipsis")
    return _to_text(line, width=width, has_color=has_color)


def _tail(name: str, max_characters: int) -> str:
    """Return the end of a long path, which tells more than its beginning."""
    return name if len(name) <= max_characters else f"…{name[1 - max_characters :]}"


def _to_text(content: RenderableType, *, width: int, has_color: bool) -> str:
    sink = io.StringIO()
    console = Console(
        file=sink,
        width=max(width, MIN_WIDTH),
        force_terminal=has_color,
        color_system="standard" if has_color else None,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
    )
    console.print(content)
    return "\n".join(line.rstrip() for line in sink.getvalue().splitlines()) + "\n"


def _card(report: Report) -> Group:
    parts: list[RenderableType] = [
        Text(_shown_name(report), style="bold underline"),
        Text(f"{words.verdict_symbol(report)} {words.verdict_title(report)}", style=_style(report)),
        Text(clean_text(words.verdict_sentence(report))),
    ]
    if report.error:
        return Group(*parts, Text(f"Error code: {clean_text(report.error.code)}", style="dim"))
    parts += [Text(), *_score_lines(report)]
    parts += _section("Why", _bullets(words.telling_reasons(report)))
    parts += _section("Evidence", _evidence_table(report))
    parts += _section("Where from", *_provenance(report))
    parts += _section("After re-encoding and resizing", *_stability(report))
    parts += _section("What this cannot tell", _bullets(report.limits))
    parts += _section("File", *_file_lines(report))
    return Group(*parts)


def _section(title: str, *content: RenderableType | None) -> list[RenderableType]:
    shown = [Padding(item, (0, 0, 0, 2)) for item in content if item is not None]
    return [Text(), Text(title, style="bold"), *shown] if shown else []


def _score_lines(report: Report) -> list[RenderableType]:
    if report.authenticity is None:
        return [Text("Authenticity: no score")]
    line = Text.assemble("Authenticity ", (words.score(report.authenticity), _style(report)))
    if report.interval:
        line.append(f"  (95 % interval {words.interval(report.interval)})")
    lines: list[RenderableType] = [line, Text(_bar(report), no_wrap=True, overflow="crop")]
    if report.operating:
        lines.append(Text(words.budget_sentence(report.operating), style="dim"))
    return lines


def _bar(report: Report) -> str:
    """Draw the score and its interval on a scale from machine-made to authentic."""
    cells = ["·"] * _BAR_CELLS
    if report.interval:
        low, high = _cell(report.interval.low), _cell(report.interval.high)
        cells[low : high + 1] = "━" * (high + 1 - low)
    if report.authenticity is not None:
        cells[_cell(report.authenticity)] = "●"
    return f"0 machine-made {''.join(cells)} authentic 1"


def _cell(value: float) -> int:
    return round(min(max(value, 0.0), 1.0) * (_BAR_CELLS - 1))


def _bullets(reasons: Iterable[Reason]) -> RenderableType | None:
    grid = _grid(gap=1)
    for reason in reasons:
        grid.add_row("•", Text(clean_text(reason.text, max_characters=600)))
    return grid if grid.row_count else None


def _grid(*, gap: int = 2) -> Table:
    """Return a table of two columns without lines, of which the second folds what is too long."""
    grid = Table.grid("", "", padding=(0, gap, 0, 0))
    grid.columns[0].overflow = grid.columns[1].overflow = "fold"
    return grid


def _evidence_table(report: Report) -> RenderableType | None:
    """List every kind of evidence, also what could not be checked, with its part in the score."""
    added = {row.source: row for row in build_ledger(report).rows}
    grid = _grid()
    for item in report.evidence:
        row = added.get(item.source)
        if item.status is Status.NOT_APPLICABLE and words.is_provenance(item.source):
            continue  # said once, under "Where from"
        if item.status is Status.SCORED and row is not None:
            told = Text(words.effect(row.llr, item.finding))
            if row.note:
                told.append(f"; {clean_text(row.note)}")
        else:
            told = Text(words.STATUS_TITLES[item.status])
            if item.reasons:
                told.append(f": {clean_text(item.reasons[0].text)}")
        grid.add_row(clean_text(words.source_title(item.source)), told)
        for span in _strongest(item.where.spans):
            grid.add_row("", Text(_span_text(span)))
    return grid if grid.row_count else None


def _strongest(spans: tuple[Span, ...]) -> list[Span]:
    strongest = sorted(spans, key=lambda span: -(span.p_synthetic or 0.0))[:_MAX_SPANS]
    return sorted(strongest, key=lambda span: span.start_s)


def _span_text(span: Span) -> str:
    text = f"{words.clock(span.start_s)} to {words.clock(span.end_s)}"
    if span.p_synthetic is not None:
        text += f": machine-made {words.score(span.p_synthetic)}"
    return f"{text} {clean_text(span.label)}".rstrip()


def _provenance(report: Report) -> list[RenderableType | None]:
    parts: list[RenderableType | None] = []
    for item in report.evidence:
        if not words.is_provenance(item.source):
            continue
        lines = _level_lines(item)
        if lines or item.reasons:
            parts.append(Text(clean_text(words.source_title(item.source)), style="underline"))
            parts.append(_pairs(lines) if lines else _bullets(item.reasons))
    return parts


def _level_lines(item: Evidence) -> list[tuple[str, str]]:
    levels = [level for level in read_levels(item) if level.key in _LEVELS_SHOWN]
    return [line for level in levels for line in flat_lines(level.content)]


def _pairs(lines: Iterable[tuple[str, str]]) -> RenderableType:
    grid = _grid()
    for name, value in lines:
        grid.add_row(Text(name, style="dim"), Text(value))
    return grid


def _stability(report: Report) -> list[RenderableType | None]:
    if report.stability is None:
        return []
    told = "The verdict holds." if report.stability.is_stable else "The verdict flips, so it is not given."
    scores = ", ".join(
        f"{clean_text(name)} {words.score(value)}" for name, value in report.stability.authenticity.items()
    )
    return [Text(told), Text(f"Authenticity: {scores}") if scores else None]


def _file_lines(report: Report) -> list[RenderableType | None]:
    if report.media is None:
        return []
    models = [item.model for item in report.evidence if item.model]
    lines: list[RenderableType | None] = [
        Text(clean_text(words.media_line(report.media))),
        Text(f"SHA-256 {clean_text(report.media.sha256)}", style="dim"),
        _bullets(report.media.notes),
    ]
    for model in dict.fromkeys(models):
        told = f"Model {model.name} {model.version}, SHA-256 {model.sha256[:12]}…"
        lines.append(Text(clean_text(told), style="dim"))
    return lines


def _style(report: Report) -> str:
    return "bold red" if report.error else _STYLES[report.verdict]


def _shown_name(report: Report) -> str:
    name = report.path or (report.media.name if report.media else "file")
    return _tail(clean_text(name, max_characters=4096), 300)

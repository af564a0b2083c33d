"""A Report in a notebook: the card behind `Report._repr_html_`, a fragment with its own small style."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

from detect.render import words
from detect.render.ledger import build_ledger
from detect.text import clean_text
from detect.types import Reason, Report

_TONES = {
    "likely_authentic": "#0b6b3a",
    "likely_synthetic": "#b3261e",
    "likely_manipulated": "#8a1d7c",
    "inconclusive": "#7a5200",
    "not_applicable": "#57606a",
}
_CARD = Markup(
    '<div style="border-left:6px solid {tone};padding:.3em 1em;font-family:system-ui,sans-serif">'
    '<div style="opacity:.75">{name}</div>'
    '<div style="font-size:1.4em;font-weight:700">{symbol} {title}</div><div>{sentence}</div>'
    "{score}{reasons}{ledger}{limits}</div>"
)
_LEDGER = Markup(
    '<details><summary>How the score adds up</summary><table><thead><tr><th style="text-align:left">Line</th>'
    "<th>Adds (nats)</th><th>Authenticity so far</th></tr></thead><tbody>{rows}</tbody></table></details>"
)
_ROW = Markup('<tr><td style="text-align:left">{title}</td><td>{llr}</td><td>{score}</td></tr>')
_REASONS = Markup('<ul style="margin:.3em 0">{items}</ul>')
_LIMITS = Markup("<details><summary>What this does not tell you</summary><ul>{items}</ul></details>")


def report_card(report: Report) -> str:
    """Return one Report as an HTML fragment; every string of the file is cleaned and escaped."""
    tone = _TONES["likely_synthetic" if report.error else report.verdict.value]
    return _CARD.format(
        tone=tone,
        name=_shown(report.path or (report.media.name if report.media else "file")),
        symbol=words.verdict_symbol(report),
        title=words.verdict_title(report),
        sentence=_shown(words.verdict_sentence(report)),
        score=_score(report),
        reasons=_list(_REASONS, words.telling_reasons(report)) if report.reasons else "",
        ledger=_ledger(report) if report.authenticity is not None else "",
        limits=_list(_LIMITS, report.limits) if report.limits else "",
    )


def _shown(text: str) -> Markup:
    return escape(clean_text(text, max_characters=600))


def _score(report: Report) -> Markup:
    if report.authenticity is None:
        return Markup("")
    told = Markup("<div>Authenticity <b>{}</b></div>").format(words.score(report.authenticity))
    if report.interval:
        told = Markup("<div>Authenticity <b>{}</b> (95 % interval {})</div>").format(
            words.score(report.authenticity), words.interval(report.interval)
        )
    return told


def _ledger(report: Report) -> Markup:
    rows = [
        _ROW.format(title=_shown(row.title), llr=words.signed(row.llr), score=words.score(row.authenticity))
        for row in build_ledger(report).rows
    ]
    return _LEDGER.format(rows=Markup("").join(rows))


def _list(frame: Markup, reasons: Iterable[Reason]) -> Markup:
    items = [Markup("<li>{}</li>").format(_shown(reason.text)) for reason in reasons]
    return frame.format(items=Markup("").join(items))

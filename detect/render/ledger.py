"""The evidence ledger: how prior and contributions add up, line by line, to the score of a Report."""

from __future__ import annotations

import math
from dataclasses import dataclass

from detect.render.words import source_title
from detect.types import Report

MIN_AXIS_NATS = 3.0
"""The axis always reaches at least this far to both sides, so that weak evidence looks weak (e^3 = odds of 20:1)."""


@dataclass(frozen=True)
class LedgerRow:
    """One line of the ledger and its bar.

    Attributes:
        title: What spoke, for people.
        source: Its dotted name; `prior` for the starting point.
        llr: What it adds, in nats, after caps; positive towards synthetic or manipulated.
        raw_llr: What it would have added without the cap.
        total: Log-odds of synthetic or manipulated after this line.
        authenticity: The score after this line, in [0, 1].
        note: Why it was capped or moved; empty when it was not.
        bar_start: Left end of the bar on the axis, in [0, 1]; 0.5 is even odds.
        bar_end: Right end of the bar, >= `bar_start`.
    """

    title: str
    source: str
    llr: float
    raw_llr: float
    total: float
    authenticity: float
    note: str
    bar_start: float
    bar_end: float


@dataclass(frozen=True)
class Ledger:
    """All lines in order; the axis runs from `-axis_nats` (authentic) to `axis_nats` (machine-made)."""

    rows: tuple[LedgerRow, ...]
    axis_nats: float
    total: float


def build_ledger(report: Report) -> Ledger:
    """Return the ledger of a Report: the prior first, then every contribution in the Report's order."""
    steps = [("Starting point (prior)", "prior", report.prior_log_odds, report.prior_log_odds, "")]
    steps += [
        (source_title(item.source), item.source, item.llr, item.raw_llr, item.note) for item in report.contributions
    ]
    totals: list[float] = []
    for step in steps:
        totals.append((totals[-1] if totals else 0.0) + step[2])
    axis_nats = max(MIN_AXIS_NATS, *(math.ceil(abs(total)) for total in totals))
    rows: list[LedgerRow] = []
    before = 0.0
    for (title, source, llr, raw_llr, note), total in zip(steps, totals, strict=True):
        low, high = sorted((before, total))
        rows.append(
            LedgerRow(
                title=title,
                source=source,
                llr=llr,
                raw_llr=raw_llr,
                total=total,
                authenticity=authenticity_of(total),
                note=note,
                bar_start=_place(low, axis_nats),
                bar_end=_place(high, axis_nats),
            )
        )
        before = total
    return Ledger(rows=tuple(rows), axis_nats=axis_nats, total=totals[-1])


def authenticity_of(log_odds: float) -> float:
    """Return the authenticity in [0, 1] of log-odds (nats) of synthetic or manipulated; never overflows."""
    if log_odds >= 0:
        small = math.exp(-log_odds)
        return small / (1.0 + small)
    return 1.0 / (1.0 + math.exp(log_odds))


def _place(nats: float, axis_nats: float) -> float:
    return 0.5 + 0.5 * nats / axis_nats

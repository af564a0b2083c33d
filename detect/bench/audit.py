"""The shortcut audit: how much of a detector's AUROC vanishes when what the file looks like from outside says nothing.

For each equalisation the same files are judged before and after. Three things are told apart:

* the score moves when only the container is rewritten (pixels and samples equal): the detector reads the container;
* AUROC falls with the equalisation that takes a property away: that property carried it (or the equalisation destroyed
  the trace: compare with the trivial baseline, which has no trace to lose);
* the trivial baseline falls too: the data set leaks, whatever the detector does with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from detect.bench.measure import BenchOptions, Tell, measure
from detect.bench.metrics.bootstrap import Estimate, estimate, replicate_weights
from detect.bench.metrics.ranking import Ranked
from detect.bench.perturb.audit import AUDITS
from detect.bench.probe import medium_of
from detect.bench.progress import Progress
from detect.bench.report import read_run
from detect.bench.scores import Scores
from detect.bench.store import Row
from detect.bench.tables.markdown import render_table
from detect.bench.tables.model import Table, number
from detect.bench.trivial import NAME as TRIVIAL
from detect.errors import ConfigError

_BEFORE = "none"
_CONTAINER = "equal-container"
_MOVED_LLR = 0.05
"""Natural-log units; decoders of one format differ by rounding, which moves scores less than this."""
LEAKY_INDEX = 0.25
"""Share of the AUROC above chance that may vanish before the audit calls a detector leaky."""


@dataclass(frozen=True)
class Condition:
    """One equalisation: AUROC before and after on the same files, and what vanished."""

    name: str
    files: int
    before: Estimate
    after: Estimate
    vanished: Estimate
    trivial_before: float | None
    trivial_after: float | None


@dataclass(frozen=True)
class Audit:
    """The audit of one detector.

    Attributes:
        detector: Its name.
        conditions: One an equalisation, in the order they were run.
        moved_by_container: Share of files whose score moves when only the container is rewritten; None if not run.
        shortcut_index: Share of the AUROC above chance that vanishes under the full protocol (`clean`), in [0, 1].
        is_leaky: The index is at least `LEAKY_INDEX` with an interval of what vanished that excludes zero, or more
            than half of the scores move with the container alone.
    """

    detector: str
    conditions: tuple[Condition, ...]
    moved_by_container: float | None
    shortcut_index: float | None
    is_leaky: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON-ready form."""
        return asdict(self)


def run_audit(options: BenchOptions, *, progress: Progress | None = None, tell: Tell = lambda text: None) -> Audit:
    """Judge the files as they are and under every equalisation of their medium, and return the audit.

    Writes `audit.json` and `audit.md` beside the predictions.

    Args:
        options: As for `measure`; its perturbations are replaced, and exactly one detector is audited.
        progress: Told about rows.
        tell: Told about absent files.
    """
    conditions = (_BEFORE, *AUDITS[medium_of(options.kind)])
    measure(replace(options, perturbations=conditions), progress=progress, tell=tell)
    rows, _ = read_run(options.out)
    names = sorted({row.detector for row in rows if row.detector != TRIVIAL})
    if len(names) != 1:
        raise ConfigError(f"an audit judges one detector; {options.out} holds {', '.join(names)}")
    found = audit(rows, detector=names[0], replicates=options.replicates)
    text = json.dumps(found.to_dict(), indent=1, ensure_ascii=False) + "\n"
    (options.out / "audit.json").write_text(text, encoding="utf-8")
    (options.out / "audit.md").write_text(render_table(audit_table(found)), encoding="utf-8")
    return found


def audit(rows: Sequence[Row], *, detector: str, replicates: int = 1000, seed: int = 0) -> Audit:
    """Return the audit from predictions under `none` and any equalisations.

    Args:
        rows: Predictions of the detector, and of the trivial baseline where it was run.
        detector: Whose rows are audited.
        replicates: Of the bootstrap over sources and generators.
        seed: Of the bootstrap.

    Raises:
        ConfigError: No scored rows of both labels without perturbation.
    """
    own = _by_perturbation(rows, detector)
    trivial = _by_perturbation(rows, TRIVIAL)
    before = own.get(_BEFORE)
    if before is None or not Scores.of(before).has_both:
        raise ConfigError(f"the audit of {detector} needs scores of both labels on the unchanged files")
    order = [name for names in AUDITS.values() for name in names]
    conditions = tuple(
        _compare(name, before, after, trivial, replicates, seed)
        for name, after in sorted(own.items(), key=lambda entry: order.index(entry[0]) if entry[0] in order else 0)
        if name != _BEFORE and Scores.of(after).has_both
    )
    moved = _moved(before, own[_CONTAINER]) if _CONTAINER in own else None
    clean = next((item for item in conditions if item.name == "clean"), None)
    index = None if clean is None else _index(clean)
    certain = clean is not None and (clean.vanished.low is None or clean.vanished.low > 0)
    leaky = (index is not None and index >= LEAKY_INDEX and certain) or (moved is not None and moved > 0.5)
    return Audit(detector, conditions, moved, index, leaky)


def _by_perturbation(rows: Sequence[Row], detector: str) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.detector == detector:
            found.setdefault(row.perturbation.partition("@")[0], []).append(row)
    return found


def _compare(
    name: str,
    before: Sequence[Row],
    after: Sequence[Row],
    trivial: Mapping[str, Sequence[Row]],
    replicates: int,
    seed: int,
) -> Condition:
    """Return AUROC before and after on the files that have both scores."""
    left, right = Scores.of(before), Scores.of(after)
    common = sorted(set(left.ids) & set(right.ids))
    ia, ib = _places(left, common), _places(right, common)
    fake = left.is_fake[ia]
    weights = replicate_weights(fake, [left.units[i] for i in ia], replicates=replicates, seed=seed)
    one, two = Ranked(fake, left.rank_by[ia]), Ranked(fake, right.rank_by[ib])

    def metrics(w: Any) -> dict[str, float]:
        a, b = one.roc(w).auroc, two.roc(w).auroc
        return {"before": a, "after": b, "vanished": a - b}

    found = estimate(metrics, weights)
    return Condition(
        name=name,
        files=len(common),
        before=found["before"],
        after=found["after"],
        vanished=found["vanished"],
        trivial_before=_auroc(trivial.get(_BEFORE)),
        trivial_after=_auroc(trivial.get(name)),
    )


def _places(scores: Scores, names: Sequence[str]) -> list[int]:
    place = {name: i for i, name in enumerate(scores.ids)}
    return [place[name] for name in names]


def _auroc(rows: Sequence[Row] | None) -> float | None:
    scores = Scores.of(rows or [])
    return Ranked(scores.is_fake, scores.rank_by).roc().auroc if scores.has_both else None


def _moved(before: Sequence[Row], after: Sequence[Row]) -> float:
    """Return the share of files whose score differs by more than rounding after the container was rewritten."""
    old = {row.id: row.score for row in before if row.score is not None}
    pairs = [(old[row.id], row.score) for row in after if row.score is not None and row.id in old]
    return float(np.mean([abs(a - b) > _MOVED_LLR for a, b in pairs])) if pairs else 0.0


def _index(clean: Condition) -> float:
    above_chance = clean.before.value - 0.5
    return min(1.0, max(0.0, clean.vanished.value / above_chance)) if above_chance > 0 else 0.0


def read_audit(tree: Mapping[str, Any]) -> Audit:
    """Return the audit that `Audit.to_dict` gave."""
    conditions = tuple(
        Condition(**{**line, **{key: Estimate(**line[key]) for key in ("before", "after", "vanished")}})
        for line in tree["conditions"]
    )
    return Audit(**{**tree, "conditions": conditions})


def audit_table(found: Audit) -> Table:
    """Return the audit as a table."""
    rows = tuple(
        (
            item.name,
            str(item.files),
            number(asdict(item.before)),
            number(asdict(item.after)),
            number(asdict(item.vanished)),
            number(item.trivial_before),
            number(item.trivial_after),
        )
        for item in found.conditions
    )
    moved = "" if found.moved_by_container is None else f"{100 * found.moved_by_container:.0f} % of scores move. "
    index = "" if found.shortcut_index is None else f"Shortcut index {found.shortcut_index:.2f}. "
    verdict = "LEAKY: much of its AUROC is not from the content." if found.is_leaky else "No shortcut shown."
    container = f"When only the container is rewritten, {moved}" if moved else ""
    return Table(
        f"Shortcut audit of {found.detector}",
        ("equalised", "files", "AUROC before", "AUROC after", "vanished", "trivial before", "trivial after"),
        rows,
        f"{container}{index}{verdict}",
    )

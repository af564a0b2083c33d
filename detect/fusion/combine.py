"""Evidence to one posterior, as a ledger whose lines add up.

log posterior odds = prior log odds + sum of llr, each within what its source can support. Policy bounds on
P(synthetic) that an Evidence carries act on its own line, so the ledger always adds up to the score:

* a floor with llr >= 0 overrides upwards (a trusted signature says "generated"),
* a ceiling with llr > 0 limits how far this evidence may raise the score (an unsigned, forgeable mark),
* a floor with llr < 0 limits how far it may lower the score (a signed capture never proves a scene),
* a ceiling with llr <= 0 overrides downwards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from detect.types import Contribution, Evidence, Interval, Status

# Classifiers that look at the same pixels err together: the strongest counts in full, each further one by this share,
# until a joint calibration on video data replaces the rule. Summing them in full would count one observation twice.
CORRELATED = frozenset({"image.pixels", "face.swap", "video.frames", "video.motion"})
CORRELATED_SHARE = 0.25

# A swap alters a face and leaves the frames around it real, so frames that look real do not clear a face that looks
# swapped: against it they count as far as if one altered file in ten had real frames, and the face counts in full.
LOCAL = "face.swap"
MOST_AGAINST_LOCAL = math.log(10)


@dataclass(frozen=True)
class Posterior:
    """The sum: log-odds of "synthetic or manipulated", its ledger and its 95 % interval in log-odds."""

    log_odds: float
    prior_log_odds: float
    contributions: tuple[Contribution, ...]
    interval: Interval | None

    @property
    def authenticity(self) -> float:
        """1 - P(synthetic or manipulated), in [0, 1]."""
        return sigmoid(-self.log_odds)


def sigmoid(x: float) -> float:
    """Return 1 / (1 + exp(-x)) without overflow."""
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    grown = math.exp(x)
    return grown / (1.0 + grown)


def log_odds(probability: float) -> float:
    """Return ln(p / (1 - p)) for p in (0, 1)."""
    return math.log(probability / (1.0 - probability))


def combine(evidence: Sequence[Evidence], *, prior_log_odds: float = 0.0) -> Posterior | None:
    """Fuse evidence into a posterior; None when nothing scored.

    The order of `evidence` does not change the score: plain lines come first, then limited ones, then overrides,
    each in order of their source.
    """
    scored = [item for item in evidence if item.status is Status.SCORED]
    if not scored:
        return None
    shares = _correlated_shares(scored)
    total = prior_log_odds
    lines: list[Contribution] = []
    for item in sorted(scored, key=_place):
        wanted = item.llr * shares.get(id(item), 1.0)
        bounded, note = _bound(item, wanted, total)
        if shares.get(id(item), 1.0) != 1.0 and not note:
            note = "counts less: it looks at the same content as stronger evidence"
        lines.append(Contribution(item.source, bounded, item.llr, note))
        total += bounded
    order = {id(item): index for index, item in enumerate(scored)}
    by_source = sorted(
        zip(sorted(scored, key=_place), lines, strict=True),
        key=lambda pair: order[id(pair[0])],
    )
    return Posterior(total, prior_log_odds, tuple(line for _, line in by_source), _interval(scored, total))


def _place(item: Evidence) -> tuple[int, str, float, float, float]:
    """Return where a line stands: by everything that the sum can see, so that ties do not fall to the input's order."""
    floor = -1.0 if item.p_synthetic_floor is None else item.p_synthetic_floor
    ceiling = 2.0 if item.p_synthetic_ceiling is None else item.p_synthetic_ceiling
    return _rank(item), item.source, item.llr, floor, ceiling


def _rank(item: Evidence) -> int:
    """Plain lines first, then those with a limit, then overrides, so that bounds see the whole of the rest."""
    if item.p_synthetic_floor is None and item.p_synthetic_ceiling is None:
        return 0
    limits = (item.p_synthetic_ceiling is not None and item.llr > 0) or (
        item.p_synthetic_floor is not None and item.llr < 0
    )
    overrides = (item.p_synthetic_floor is not None and item.llr >= 0) or (
        item.p_synthetic_ceiling is not None and item.llr <= 0
    )
    return 2 if overrides else 1 if limits else 0


def _bound(item: Evidence, wanted: float, total: float) -> tuple[float, str]:
    """Return (what the line may add, note) given the sum of the lines before it."""
    after, note = total + wanted, ""
    if item.p_synthetic_floor is not None:
        floor = log_odds(item.p_synthetic_floor)
        if item.llr >= 0 and after < floor:
            after, note = floor, "raised to the policy floor"
        elif item.llr < 0 and after < floor:
            after, note = min(total, floor), "held at the policy floor"
    if item.p_synthetic_ceiling is not None:
        ceiling = log_odds(item.p_synthetic_ceiling)
        if item.llr > 0 and after > ceiling:
            after, note = max(total, ceiling), "held at the policy ceiling"
        elif item.llr <= 0 and after > ceiling:
            after, note = ceiling, "lowered to the policy ceiling"
    return after - total, note


def _correlated_shares(scored: Sequence[Evidence]) -> dict[int, float]:
    group = sorted(
        (item for item in scored if item.source in CORRELATED), key=lambda item: (-abs(item.llr), *_place(item))
    )
    shares = {id(item): CORRELATED_SHARE for item in group[1:]}
    local = next((item for item in group if item.source == LOCAL and item.llr > 0), None)
    against = [item for item in group if item.llr < 0]
    if local is not None and against:
        total = -sum(item.llr * shares.get(id(item), 1.0) for item in against)
        limit = min(1.0, MOST_AGAINST_LOCAL / total)
        shares |= {id(item): limit * shares.get(id(item), 1.0) for item in against}
        shares[id(local)] = 1.0
    return shares


def _interval(scored: Sequence[Evidence], total: float) -> Interval | None:
    """Return the 95 % interval of the sum: independent half-widths add in squares; None when no source gives one."""
    halves = [(item.interval.high - item.interval.low) / 2 for item in scored if item.interval is not None]
    if not halves:
        return None
    half = math.sqrt(sum(width * width for width in halves))
    return Interval(total - half, total + half)

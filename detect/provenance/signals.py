"""The official C2PA "Asset Signals Rubric (Local)" 1.0 of 2026-08-06, evaluated on each manifest.

Nine inception and five transformation signals (c2pa-org/conformance-public, asset-rubrics/). Three readings are wider
than the official expressions, so that older and sloppier files are judged too: version-1 actions count as well as
`c2pa.actions.v2`, source types may be spelt in any case or as bare names, and an ingredient without a manifest is
found under any ingredient version. On version-2 files in the official spelling the results are the same.
"""

from __future__ import annotations

from detect.provenance import sourcetypes
from detect.provenance.store import Manifest

RUBRIC = "C2PA Asset Signals Rubric (Local) 1.0, 2026-08-06"

INCEPTION_ACTIONS = frozenset({"c2pa.created", "c2pa.opened"})
NON_EDITORIAL_ACTIONS = frozenset(
    [
        "c2pa.converted",
        "c2pa.published",
        "c2pa.repackaged",
        "c2pa.transcoded",
        "c2pa.resized.proportional",
        "c2pa.enhanced",
        "c2pa.edited.metadata",
        "c2pa.watermarked",
        "c2pa.watermarked.bound",
        "c2pa.watermarked.unbound",
        "c2pa.redacted",
    ]
)

_INCEPTION_SIGNALS = {
    "blankCanvas": frozenset({"empty"}),
    "capturedMedia": sourcetypes.CAPTURE,
    "capturedMediaStitched": frozenset({"compositeCapture"}),
    "compositionMayContainGenAI": frozenset({"composite"}),
    "fullyGenAIMedia": sourcetypes.GENERATED,
    "nonGenAIDigitalCreation": frozenset({"digitalCreation"}),
    "partlyGenAICreation": frozenset({"compositeWithTrainedAlgorithmicMedia"}),
    "screenCaptureMayContainGenAI": frozenset({"screenCapture"}),
}

INCEPTION_SIGNALS = frozenset({*_INCEPTION_SIGNALS, "mediaUnknownProvenance"})
TRANSFORMATION_SIGNALS = frozenset(
    {"ambiguousActions", "nonEditorial", "perceptibleGenAI", "perceptibleNonGenAI", "perceptiblePossiblyGenAI"}
)


def evaluate(manifest: Manifest) -> frozenset[str]:
    """Return the names of the signals that hold for this manifest."""
    starts = {item.source_type for item in manifest.actions if item.name in INCEPTION_ACTIONS}
    found = {name for name, types in _INCEPTION_SIGNALS.items() if starts & types}
    if any(item.manifest_label is None for item in manifest.ingredients):
        found.add("mediaUnknownProvenance")
    names = {item.name for item in manifest.actions}
    if names & NON_EDITORIAL_ACTIONS:
        found.add("nonEditorial")
    changes = [item.source_type for item in manifest.actions if is_perceptible(item.name)]
    if any(kind in sourcetypes.GENERATIVE_CHANGE for kind in changes):
        found.add("perceptibleGenAI")
    if any(kind in sourcetypes.POSSIBLY_GENERATIVE_CHANGE for kind in changes):
        found.add("perceptiblePossiblyGenAI")
    if any(kind and kind not in sourcetypes.GENERATIVE_CHANGE for kind in changes):
        found.add("perceptibleNonGenAI")
    if _is_ambiguous(manifest, names):
        found.add("ambiguousActions")
    return frozenset(found)


def is_perceptible(action: str) -> bool:
    """Say whether an action may have changed what one sees or hears."""
    return bool(action) and action not in INCEPTION_ACTIONS and action not in NON_EDITORIAL_ACTIONS


def has_custom_actions(manifest: Manifest) -> bool:
    """Say whether an action is outside the C2PA vocabulary or declared as unknown."""
    names = {item.name for item in manifest.actions if item.name}
    return "c2pa.unknown" in names or any(not name.startswith("c2pa.") for name in names)


def _is_ambiguous(manifest: Manifest, names: set[str]) -> bool:
    return (
        not names
        or not manifest.are_actions_complete
        or has_custom_actions(manifest)
        or any("c2pa.actions" in url for url in manifest.gathered_urls)
    )

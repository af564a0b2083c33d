"""What a manifest store claims about the origin of the content, before anyone asks whether to believe it."""

from __future__ import annotations

from dataclasses import dataclass

from detect.provenance import signals, sourcetypes
from detect.provenance.codes import Bucket, bucket_of
from detect.provenance.generators import generator_of
from detect.provenance.store import Ingredient, Manifest, Store

_BROKEN_CONTENT = (Bucket.NOT_VALID, Bucket.NOT_WELL_FORMED)
_MAY_HOLD_AI = frozenset({"compositionMayContainGenAI", "screenCaptureMayContainGenAI", "perceptiblePossiblyGenAI"})


@dataclass(frozen=True)
class Claims:
    """The claims of one store.

    Attributes:
        generated_by: The manifest of the main line that says the whole was generated, or None.
        generator: The tool named for it, when the claim rests on a known generator rather than on a source type.
        generated_parts: Why parts count as generated: `action`, `creation`, `component`, `loose_component`.
        captured_by: The manifest of the main line that says a camera or recorder captured it, or None.
        created_by: The manifest of the main line that says a person made it with a tool and no AI, or None.
        is_edited: A perceptible or unknown action happened on the main line.
        has_unknown_parent: The main line starts from a file without Content Credentials.
        failed_ingredients: Ingredients that were already broken when they went in, with the codes.
        may_hold_ai: A composition, a screen capture, a "possibly AI" action or a component of unknown origin.
    """

    generated_by: Manifest | None = None
    generator: str | None = None
    generated_parts: tuple[str, ...] = ()
    captured_by: Manifest | None = None
    created_by: Manifest | None = None
    is_edited: bool = False
    has_unknown_parent: bool = False
    failed_ingredients: tuple[tuple[str, tuple[str, ...]], ...] = ()
    may_hold_ai: bool = False

    @property
    def is_ai(self) -> bool:
        """Whether anything is claimed to be generated."""
        return self.generated_by is not None or bool(self.generated_parts)


def read_claims(store: Store) -> Claims:
    """Return what the whole store claims: main line, components and ingredients without a manifest."""
    line = store.lineage()
    found = {one.label: signals.evaluate(one) for one in line}
    generated_by, generator = _generated(store, line, found)
    return Claims(
        generated_by=generated_by,
        generator=generator,
        generated_parts=_generated_parts(store, line, found),
        captured_by=_first(line, found, {"capturedMedia", "capturedMediaStitched"}),
        created_by=_first(line, found, {"nonGenAIDigitalCreation"}),
        is_edited=any(_is_edited(one) for one in line),
        has_unknown_parent=any(item.relationship == "parentOf" for _, item in store.loose_ingredients()),
        failed_ingredients=_failed_ingredients(store),
        may_hold_ai=any(names & _MAY_HOLD_AI for names in found.values())
        or any(item.relationship == "componentOf" for _, item in store.loose_ingredients()),
    )


def path_to(store: Store, target: Manifest) -> tuple[Manifest, ...]:
    """Return the manifests of the main line from the active one to `target`, both included."""
    line = store.lineage()
    return line[: line.index(target) + 1] if target in line else (store.active, target)


def _generated(
    store: Store, line: tuple[Manifest, ...], found: dict[str, frozenset[str]]
) -> tuple[Manifest | None, str | None]:
    for one in line:
        if "fullyGenAIMedia" in found[one.label] or one.assertion("c2pa.ai_generated_content"):
            return one, None
    for owner, item in store.loose_ingredients():
        if item.relationship == "parentOf" and item.source_type in sourcetypes.GENERATED:
            return owner, None
    for one in line:
        name = generator_of(one)
        if name:
            return one, name
    return None, None


def _generated_parts(store: Store, line: tuple[Manifest, ...], found: dict[str, frozenset[str]]) -> tuple[str, ...]:
    reasons: list[str] = []
    if any("perceptibleGenAI" in names for names in found.values()):
        reasons.append("action")
    if any("partlyGenAICreation" in names for names in found.values()):
        reasons.append("creation")
    if any(_is_generated(one) for one in store.side_branches("componentOf")):
        reasons.append("component")
    loose = [item for _, item in store.loose_ingredients() if item.source_type in sourcetypes.GENERATIVE_CHANGE]
    if any(not _is_whole(item) for item in loose):
        reasons.append("loose_component")
    return tuple(reasons)


def _is_whole(item: Ingredient) -> bool:
    return item.relationship == "parentOf" and item.source_type in sourcetypes.GENERATED


def _is_generated(manifest: Manifest) -> bool:
    names = signals.evaluate(manifest)
    return bool(
        names & {"fullyGenAIMedia", "partlyGenAICreation", "perceptibleGenAI"}
        or manifest.assertion("c2pa.ai_generated_content")
        or generator_of(manifest)
    )


def _first(line: tuple[Manifest, ...], found: dict[str, frozenset[str]], wanted: set[str]) -> Manifest | None:
    """Return the oldest manifest of the line with one of the signals: that is where the content began."""
    return next((one for one in reversed(line) if found[one.label] & wanted), None)


def _is_edited(manifest: Manifest) -> bool:
    return any(signals.is_perceptible(action.name) for action in manifest.actions) or signals.has_custom_actions(
        manifest
    )


def _failed_ingredients(store: Store) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return ingredients whose content was broken: stored by the next signer, or found now."""
    failed = [
        (item.title, item.integrity_failures)
        for one in store.manifests
        for item in one.ingredients
        if item.integrity_failures
    ]
    for one in store.manifests[1:]:
        codes = tuple(sorted(code for code in one.failure if bucket_of(code) in _BROKEN_CONTENT))
        if codes:
            failed.append((one.title, codes))
    return tuple(dict.fromkeys(failed))

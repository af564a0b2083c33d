"""Kinds of evidence from other packages, found by entry points and kept within bounds.

A package registers an examiner under the group `witnessmark.evidence`: a function or class that takes no arguments and
returns an object with `source`, `version`, `kinds` and `examine(media)` (see `Examiner`).

    [project.entry-points."witnessmark.evidence"]
    flat-sky = "my_package:FlatSky"

Nothing that is merely installed judges: a caller names the plug-ins that take part, by `AnalyzerSettings(plugins=...)`
or the environment variable WITNESSMARK_PLUGINS. Their llr is capped, they may not set policy bounds, they get decoded
media and never the file, and what they raise is a line of the Report.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, runtime_checkable

from detect.errors import ConfigError
from detect.text import clean_text
from detect.types import DecodedAudio, DecodedImage, Evidence, MediaFacts, MediaKind, Reason, Status

GROUP = "witnessmark.evidence"
VARIABLE = "WITNESSMARK_PLUGINS"
CAP = 2.0
"""Largest |llr| of a plug-in: odds of 7.4 to 1. The accusation budget was measured without it, so it may tip a balance
but not decide alone."""
OWN_SOURCES = ("image", "audio", "video", "face", "provenance", "watermark", "known")
"""First words of the house's own sources; a plug-in takes another, such as the name of its package."""


@dataclass(frozen=True)
class Media:
    """What a plug-in sees of a file: facts and decoded media; `image` or `audio` is None where the file has none."""

    facts: MediaFacts
    image: DecodedImage | None = None
    audio: DecodedAudio | None = None


@runtime_checkable
class Examiner(Protocol):
    """A kind of evidence of another package; one object serves all files, from several threads."""

    @property
    def source(self) -> str:
        """Return the dotted name of its Evidence, for example `acme.flat_sky`."""

    @property
    def version(self) -> str:
        """Return what changes whenever its answers could: it enters the fingerprint of every Report."""

    @property
    def kinds(self) -> Collection[MediaKind]:
        """Return the kinds of media that it can judge; it is not called for others."""

    def examine(self, media: Media) -> Evidence:
        """Return what it finds; status `not_applicable` with a reason where it has nothing to say."""


def named_plugins() -> tuple[str, ...]:
    """Return the names in the environment variable WITNESSMARK_PLUGINS, separated by commas."""
    return tuple(name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip())


def installed_plugins() -> dict[str, EntryPoint]:
    """Return the entry points of all installed plug-ins by name, without importing them."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def load_plugins(names: Sequence[str]) -> tuple[Examiner, ...]:
    """Return the examiners of these names.

    Raises:
        ConfigError: Not installed, not importable, or not an examiner.
    """
    installed = installed_plugins()
    missing = [name for name in names if name not in installed]
    if missing:
        known = ", ".join(sorted(installed)) or "none installed"
        raise ConfigError(f"no evidence plug-in {', '.join(missing)} ({known})")
    return tuple(_load(name, installed[name].load) for name in dict.fromkeys(names))


def _load(name: str, load: Callable[[], Callable[[], object]]) -> Examiner:
    try:
        made = load()()
    except Exception as error:  # the border to foreign code
        raise ConfigError(f"evidence plug-in {name} cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(made, Examiner):
        raise ConfigError(f"evidence plug-in {name} is no examiner: it needs source, version, kinds and examine()")
    first = made.source.partition(".")[0]
    if "." not in made.source or first in OWN_SOURCES:
        raise ConfigError(f"evidence plug-in {name} calls its source {made.source!r}; use <package>.<what>")
    return made


def examine_all(examiners: Sequence[Examiner], media: Media) -> list[Evidence]:
    """Return the Evidence of every examiner that judges this kind of media, within bounds."""
    return [_examine(examiner, media) for examiner in examiners if media.facts.kind in examiner.kinds]


def _examine(examiner: Examiner, media: Media) -> Evidence:
    try:
        found = examiner.examine(media)
        if not isinstance(found, Evidence):
            raise TypeError(f"examine() returned {type(found).__name__}, not Evidence")
    except Exception as error:  # the border to foreign code: its failure is a line of the Report
        what = clean_text(f"{type(error).__name__}: {error}", max_characters=300)
        return Evidence(examiner.source, Status.FAILED, reasons=(Reason("plugin_failed", what),))
    return bound(found, examiner)


def bound(found: Evidence, examiner: Examiner) -> Evidence:
    """Return the Evidence under the examiner's own name, its llr within the cap, without policy bounds."""
    capped = max(-CAP, min(CAP, found.llr))
    details = {**found.details, "plugin": examiner.version}
    if capped != found.llr:
        details["llr_before_cap"] = found.llr
    return replace(
        found,
        source=examiner.source,
        llr=capped,
        interval=None if capped != found.llr else found.interval,
        p_synthetic_floor=None,
        p_synthetic_ceiling=None,
        details=details,
    )

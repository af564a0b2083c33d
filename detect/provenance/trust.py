"""Trust lists as they lie on this machine: which anchors there are, how old they are, and who is distrusted.

The repository ships no list, because lists expire; `detect.provenance.trust_install` puts them here when asked. The
folder holds `official.pem`, `official_tsa.pem`, `interim_frozen.pem`, `custom.pem`, `products.json`, `distrust.json`
and `index.json` (where each came from, its date and its next update).
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from detect.provenance.pem import certificate_blocks, join_blocks
from detect.provenance.store import parse_time

_log = logging.getLogger(__name__)

INDEX_NAME = "index.json"
PRODUCTS_NAME = "products.json"
DISTRUST_NAME = "distrust.json"

INTERIM_FREEZE = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
"""The interim list takes no new anchors since this day (its own notice, contentauth/c2pa-conformance-tool)."""

MAX_LIST_BYTES = 16 * 2**20


class TrustLevel(StrEnum):
    """Which list vouches for a signer, best first."""

    OFFICIAL = "official"
    CUSTOM = "custom"
    INTERIM_FROZEN = "interim_frozen"
    NONE = "none"


class ListState(StrEnum):
    """How fresh an installed list is."""

    CURRENT = "current"
    STALE = "stale"
    UNDATED = "undated"
    FROZEN = "frozen"
    MISSING = "missing"


ANCHOR_LISTS = ("official", "official_tsa", "custom", "interim_frozen")
LIST_NAMES = (*ANCHOR_LISTS, "products", "distrust")


@dataclass(frozen=True)
class ListFacts:
    """One line of `trust status`; times as ISO 8601 text, empty when unknown."""

    name: str
    state: ListState
    entries: int = 0
    issued: str = ""
    next_update: str = ""
    installed_at: str = ""
    source: str = ""


@dataclass(frozen=True)
class TrustStore:
    """Everything the reader trusts and distrusts."""

    folder: Path
    anchors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    products: tuple[Mapping[str, Any], ...] = ()
    distrusted: tuple[Mapping[str, Any], ...] = ()
    index: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def pem_up_to(self, level: TrustLevel) -> tuple[str, str]:
        """Return the PEM texts (system anchors, user anchors) of all lists down to `level`."""
        if level is TrustLevel.NONE:
            return "", ""
        official = join_blocks(self.anchors.get("official", ()), self.anchors.get("official_tsa", ()))
        if level is TrustLevel.OFFICIAL:
            return official, ""
        user = [self.anchors.get("custom", ())]
        if level is TrustLevel.INTERIM_FROZEN:
            user.append(self.anchors.get("interim_frozen", ()))
        return official, join_blocks(*user)

    def levels(self) -> tuple[TrustLevel, ...]:
        """Return the levels that have anchors, best first."""
        return tuple(level for level in TrustLevel if level is not TrustLevel.NONE and self.anchors.get(level.value))

    def status(self, now: dt.datetime) -> tuple[ListFacts, ...]:
        """Return the state of every list, installed or not."""
        return tuple(self._facts(name, now) for name in LIST_NAMES)

    def _facts(self, name: str, now: dt.datetime) -> ListFacts:
        entries = {"products": len(self.products), "distrust": len(self.distrusted)}.get(name)
        count = len(self.anchors.get(name, ())) if entries is None else entries
        about = self.index.get(name, {})
        next_update = str(about.get("next_update") or "")
        due = parse_time(next_update)
        if count == 0:
            state = ListState.MISSING
        elif name == "interim_frozen":
            state = ListState.FROZEN
        elif due is None:
            state = ListState.UNDATED
        else:
            state = ListState.STALE if due < now else ListState.CURRENT
        return ListFacts(
            name=name,
            state=state,
            entries=count,
            issued=str(about.get("issued") or ""),
            next_update=next_update,
            installed_at=str(about.get("installed_at") or ""),
            source=str(about.get("source") or ""),
        )


def load_trust(folder: Path) -> TrustStore:
    """Return the lists installed in `folder`; a missing folder or a broken file is an empty list, and logged."""
    return _load(folder, _fingerprint(folder))


@functools.lru_cache(maxsize=8)
def _load(folder: Path, fingerprint: tuple[tuple[str, int, int], ...]) -> TrustStore:
    names = {name for name, _, _ in fingerprint}
    anchors = {
        name: tuple(certificate_blocks(_read_text(folder / f"{name}.pem")))
        for name in ANCHOR_LISTS
        if f"{name}.pem" in names
    }
    products = _read_json(folder / PRODUCTS_NAME) if PRODUCTS_NAME in names else []
    own = _read_json(folder / DISTRUST_NAME) if DISTRUST_NAME in names else {}
    seed = _read_json(Path(__file__).parent / "data" / DISTRUST_NAME)
    index = _read_json(folder / INDEX_NAME) if INDEX_NAME in names else {}
    return TrustStore(
        folder=folder,
        anchors=anchors,
        products=tuple(item for item in products if isinstance(item, dict)) if isinstance(products, list) else (),
        distrusted=tuple(_entries(seed)) + tuple(_entries(own)),
        index=index if isinstance(index, dict) else {},
    )


def _entries(document: Any) -> list[Mapping[str, Any]]:
    found = document.get("distrusted", []) if isinstance(document, dict) else []
    return [item for item in found if isinstance(item, dict)]


def _fingerprint(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return name, time and size of each file, so that a changed list is read anew."""
    found = []
    for name in (*(f"{item}.pem" for item in ANCHOR_LISTS), PRODUCTS_NAME, DISTRUST_NAME, INDEX_NAME):
        try:
            about = (folder / name).stat()
        except OSError:
            continue
        found.append((name, about.st_mtime_ns, about.st_size))
    return tuple(found)


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_LIST_BYTES:
            raise OSError(f"larger than {MAX_LIST_BYTES} bytes")
        return path.read_text("utf-8", "replace")
    except OSError as error:
        _log.warning("trust list %s cannot be read: %s", path.name, error)
        return ""


def _read_json(path: Path) -> Any:
    try:
        return json.loads(_read_text(path) or "null") or {}
    except ValueError as error:
        _log.warning("trust list %s is not JSON: %s", path.name, error)
        return {}

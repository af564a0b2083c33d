"""What can be named on the command line, as Markdown tables."""

from __future__ import annotations

from detect.bench.detectors.resolve import registered_detectors, resolve
from detect.bench.peers.base import list_peers
from detect.bench.perturb import get_perturbation, list_perturbations
from detect.bench.probe import medium_of
from detect.bench.tables.markdown import render_table
from detect.bench.tables.model import Table
from detect.errors import ConfigError


def describe(what: str, *, kind: str) -> str:
    """Return the table of `perturbations`, `peers` or `detectors` for a kind of media.

    Raises:
        ConfigError: Another word.
    """
    if what == "perturbations":
        medium = medium_of(kind)
        changes = [get_perturbation(name, media=medium) for name in list_perturbations(medium)]
        rows = tuple((change.id, change.about) for change in changes)
        return render_table(Table(f"Perturbations of {medium}", ("name@version", "what it does"), rows))
    if what == "peers":
        head = ("name", "kind", "weights", "repository", "folder of the checkout", "licence", "input")
        found = (
            (p.name, p.media, p.weights, p.repository, p.folder if p.needs_code else "not needed", p.licence, p.about)
            for p in list_peers()
        )
        return render_table(Table("Published detectors", head, tuple(found)))
    if what == "detectors":
        own = tuple((name, resolve(name).fingerprint) for name in ("ours", "ours-cheap", "ours-faces"))
        others = tuple((name, "known once it is made") for name in registered_detectors())
        return render_table(Table("Detectors", ("name", "fingerprint"), (*own, *others)))
    raise ConfigError(f"cannot list {what!r}; there are perturbations, peers and detectors")

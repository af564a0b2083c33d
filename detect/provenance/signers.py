"""Who signed: the local distrust list and the Conforming Products List, asked about one certificate."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from detect.provenance.store import Certificate, parse_time

_NAME_FIELDS: dict[str, Callable[[Certificate], str]] = {
    "subject_organisation": lambda found: found.subject.organisation,
    "subject_common_name": lambda found: found.subject.common_name,
    "issuer_organisation": lambda found: found.issuer.organisation,
    "issuer_common_name": lambda found: found.issuer.common_name,
}


@dataclass(frozen=True)
class Product:
    """A record of the Conforming Products List that matches a signer."""

    name: str
    organisation: str
    status: str
    assurance_level: int
    disallowed: frozenset[str]

    @property
    def is_conformant(self) -> bool:
        """Whether the programme still stands behind the product."""
        return self.status == "conformant"


def find_distrust(certificate: Certificate, entries: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the first entry of the distrust list that matches the certificate, or None."""
    return next((entry for entry in entries if _matches(certificate, entry)), None)


def find_product(certificate: Certificate, records: Iterable[Mapping[str, Any]]) -> Product | None:
    """Return the product whose distinguished name is the signer's; the strictest record when several match.

    A record names CN and O, and often OU and C. CN and O must be equal; several records with the same pair (an app on
    two systems) differ in OU, and one that matches in OU goes first. Among equals the lower assurance counts.
    """
    subject = certificate.subject
    found: list[tuple[bool, Product]] = []
    for record in records:
        product = record.get("product")
        names = product.get("DN") if isinstance(product, dict) else None
        if not isinstance(product, dict) or not isinstance(names, dict):
            continue
        if (names.get("CN"), names.get("O")) != (subject.common_name, subject.organisation):
            continue
        found.append((str(names.get("OU") or "") == subject.unit, _product(record, product, names)))
    if not found:
        return None
    return min(found, key=lambda pair: (not pair[0], pair[1].is_conformant, pair[1].assurance_level))[1]


def _product(record: Mapping[str, Any], product: Mapping[str, Any], names: Mapping[str, Any]) -> Product:
    assurance = product.get("assurance")
    level = assurance.get("maxAssuranceLevel") if isinstance(assurance, dict) else None
    signals = product.get("disallowedSignals")
    disallowed = [name for group in signals.values() for name in group] if isinstance(signals, dict) else []
    return Product(
        name=str(names.get("CN") or ""),
        organisation=str(names.get("O") or ""),
        status=str(record.get("status") or "unknown"),
        assurance_level=level if isinstance(level, int) else 1,
        disallowed=frozenset(str(name) for name in disallowed),
    )


def _matches(certificate: Certificate, entry: Mapping[str, Any]) -> bool:
    tests: list[bool] = []
    for field_name, read in _NAME_FIELDS.items():
        if entry.get(field_name):
            tests.append(_search(str(entry[field_name]), read(certificate)))
    if entry.get("serials"):
        tests.append(any(_has_serial(certificate.serial, item) for item in entry["serials"]))
    if entry.get("valid_from_before"):
        limit, start = parse_time(str(entry["valid_from_before"])), parse_time(certificate.valid_from)
        tests.append(limit is not None and start is not None and start < limit)
    return bool(tests) and all(tests)


def _search(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text[:200], re.IGNORECASE) is not None
    except re.error:
        return False


def _has_serial(serial: str, item: object) -> bool:
    try:
        number = int(serial, 16)
        if isinstance(item, list) and len(item) == 2:
            return int(str(item[0]), 16) <= number <= int(str(item[1]), 16)
        return int(str(item), 16) == number
    except ValueError:
        return False

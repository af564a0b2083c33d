"""Put trust lists into the user's trust folder: from a file, a folder or an address, and only when asked.

What a file is, is read from its content: ETSI TS 119 602 lists in JSON (with dates and service status), PEM anchors,
the Conforming Products List, or a distrust list of one's own.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from detect.errors import ConfigError, ProvenanceError
from detect.files import write_whole
from detect.provenance.pem import block_from_der, certificate_blocks, join_blocks
from detect.provenance.trust import (
    ANCHOR_LISTS,
    DISTRUST_NAME,
    INDEX_NAME,
    LIST_NAMES,
    MAX_LIST_BYTES,
    PRODUCTS_NAME,
)

_BASE = "https://raw.githubusercontent.com/c2pa-org/conformance-public/main"
OFFICIAL_ADDRESSES = (
    f"{_BASE}/trust-list/C2PA-TRUST-LIST.json",
    f"{_BASE}/trust-list/C2PA-TSA-TRUST-LIST.json",
    f"{_BASE}/conforming-products/conforming-products-list.json",
)
"""Where the C2PA publishes its lists (CC-BY-4.0); asked only by `trust update` without arguments."""

INTERIM_ADDRESS = "https://raw.githubusercontent.com/contentauth/c2pa-conformance-tool/main/public/trust/anchors.pem"
"""The frozen interim list; asked only when named."""

TRUSTED_STATUS = "http://c2pa.org/conformance/trust-list/trusted"
_TIMEOUT_S = 30.0
_FOLDER_SUFFIXES = frozenset({".pem", ".json"})


@dataclass(frozen=True)
class InstalledList:
    """One list as it was installed."""

    name: str
    entries: int
    issued: str = ""
    next_update: str = ""
    source: str = ""


@dataclass(frozen=True)
class _Parsed:
    name: str
    blocks: tuple[str, ...] = ()
    document: Any = None
    issued: str = ""
    next_update: str = ""

    @property
    def entries(self) -> int:
        if self.blocks:
            return len(self.blocks)
        return len(self.document["distrusted"]) if isinstance(self.document, dict) else len(self.document or ())


def install_from(source: str, *, folder: Path, name: str | None = None, now: dt.datetime) -> tuple[InstalledList, ...]:
    """Install the list or lists at `source` into `folder`; a list of the same name is replaced.

    Args:
        source: A file, a folder (its PEM and JSON files, also one level down) or an https address.
        folder: The trust folder; made when missing.
        name: One of `LIST_NAMES` for a single PEM file whose content does not tell; a PEM is `custom` otherwise.
        now: Recorded as the time of installation.

    Raises:
        ConfigError: The source does not exist, is no list, or `name` is not a list's name.
        ProvenanceError: The address cannot be fetched.
    """
    if name is not None and name not in LIST_NAMES:
        raise ConfigError(f"unknown trust list {name!r} (known: {', '.join(LIST_NAMES)})")
    if "://" in source:
        found = [_parse(download(source), Path(urlsplit(source).path).name, name)]
        labels = [source]
    else:
        files = _files_of(Path(source))
        labels = [str(path) for path in files]
        is_folder = Path(source).is_dir()
        found = [_parse_file(path, name, is_folder=is_folder) for path in files]
    parsed = [(label, item) for label, item in zip(labels, found, strict=True) if item is not None]
    if not parsed:
        raise ConfigError(f"no trust list in {source!r}; expected PEM anchors or a C2PA list in JSON")
    return install(merge_custom(parsed), folder=folder, now=now)


def install_official(*, folder: Path, now: dt.datetime) -> tuple[InstalledList, ...]:
    """Download and install the official lists.

    Raises:
        ProvenanceError: An address cannot be fetched, or does not hold a list.
    """
    parsed: list[tuple[str, _Parsed]] = []
    for address in OFFICIAL_ADDRESSES:
        item = _parse(download(address), Path(urlsplit(address).path).name, None)
        if item is None:
            raise ProvenanceError(f"{address} does not hold a trust list")
        parsed.append((address, item))
    return install(parsed, folder=folder, now=now)


def merge_custom(parsed: Iterable[tuple[str, _Parsed]]) -> list[tuple[str, _Parsed]]:
    """Join several custom PEM files of one folder into one list, block by block; other lists stay as they are."""
    kept: list[tuple[str, _Parsed]] = []
    custom: list[tuple[str, _Parsed]] = []
    for label, item in parsed:
        (custom if item.name == "custom" else kept).append((label, item))
    if custom:
        blocks = tuple(dict.fromkeys(block for _, item in custom for block in item.blocks))
        kept.append((custom[0][0], replace(custom[0][1], blocks=blocks)))
    return kept


def install(parsed: Iterable[tuple[str, _Parsed]], *, folder: Path, now: dt.datetime) -> tuple[InstalledList, ...]:
    """Write parsed lists and their line in the index; each file is replaced whole."""
    folder.mkdir(parents=True, exist_ok=True)
    index = _read_index(folder)
    done: list[InstalledList] = []
    for label, item in parsed:
        text = join_blocks(item.blocks) if item.blocks else json.dumps(item.document, indent=1) + "\n"
        target = {"products": PRODUCTS_NAME, "distrust": DISTRUST_NAME}.get(item.name, f"{item.name}.pem")
        write_whole(folder / target, text.encode())
        index[item.name] = {
            "source": label,
            "installed_at": now.isoformat(timespec="seconds"),
            "issued": item.issued,
            "next_update": item.next_update,
            "entries": item.entries,
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
        }
        done.append(InstalledList(item.name, item.entries, item.issued, item.next_update, label))
    write_whole(folder / INDEX_NAME, (json.dumps(index, indent=1, sort_keys=True) + "\n").encode())
    return tuple(done)


def download(address: str) -> bytes:
    """Return the bytes at an https address, at most `MAX_LIST_BYTES`.

    Raises:
        ConfigError: Not an https address.
        ProvenanceError: It cannot be fetched, redirects away from https, or is too large.
    """
    if urlsplit(address).scheme != "https":
        raise ConfigError(f"trust lists are fetched over https only, not {address!r}")
    request = urllib.request.Request(address, headers={"User-Agent": "witnessmark"})  # noqa: S310 - https, checked above
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - https, checked above
            if urlsplit(answer.geturl()).scheme != "https":
                raise ProvenanceError(f"{address} redirects away from https")
            data: bytes = answer.read(MAX_LIST_BYTES + 1)
    except (urllib.error.URLError, OSError) as error:
        raise ProvenanceError(
            f"cannot fetch {address}: {error}; download it elsewhere and run: witnessmark trust update FILE"
        ) from error
    if len(data) > MAX_LIST_BYTES:
        raise ProvenanceError(f"{address} is larger than {MAX_LIST_BYTES} bytes")
    return data


def _files_of(path: Path) -> list[Path]:
    if path.is_dir():
        found = [*path.iterdir(), *path.glob("*/*")]
        return sorted(item for item in found if item.suffix.lower() in _FOLDER_SUFFIXES and item.is_file())
    if not path.is_file():
        raise ConfigError(f"no such trust list: {str(path)!r}")
    return [path]


def _parse_file(path: Path, name: str | None, *, is_folder: bool) -> _Parsed | None:
    if path.stat().st_size > MAX_LIST_BYTES:
        raise ConfigError(f"{path.name} is larger than {MAX_LIST_BYTES} bytes")
    if is_folder and (path.stem.lower().startswith("allowed") or path.stem == "index"):
        # Lists of single end-entity certificates: crJSON names a signer, but not the certificate's bytes, so anyone
        # could sign under a listed name. They are left out rather than trusted.
        return None
    if is_folder and path.suffix.lower() == ".pem" and path.with_suffix(".json").is_file():
        return None  # the JSON beside it says the same, with dates
    return _parse(path.read_bytes(), path.name, name)


def _parse(data: bytes, file_name: str, name: str | None) -> _Parsed | None:
    text = data.decode("utf-8", "replace")
    if text.lstrip("\ufeff \r\n\t").startswith(("{", "[")):
        try:
            return _parse_json(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{file_name} is not valid JSON: {error}") from error
    blocks = tuple(dict.fromkeys(certificate_blocks(text)))
    return _Parsed(name or _name_of_pem(text, file_name), blocks) if blocks else None


def _name_of_pem(text: str, file_name: str) -> str:
    """Tell which list a PEM file is, from the interim list's own notice or the official file names."""
    if "interim trust list is now frozen" in text:
        return "interim_frozen"
    stem = Path(file_name).stem.upper()
    if stem in ("OFFICIAL", "OFFICIAL_TSA", "INTERIM_FROZEN"):
        return stem.lower()
    return {"C2PA-TRUST-LIST": "official", "C2PA-TSA-TRUST-LIST": "official_tsa"}.get(stem, "custom")


def _parse_json(document: Any) -> _Parsed | None:
    if isinstance(document, dict) and isinstance(document.get("LoTE"), dict):
        return _parse_lote(document["LoTE"])
    if isinstance(document, dict) and isinstance(document.get("distrusted"), list):
        return _Parsed("distrust", document=document)
    if isinstance(document, list) and any(isinstance(item, dict) and "product" in item for item in document):
        dates = [item.get("dates") for item in document if isinstance(item, dict)]
        changed = [str(item.get("lastModification") or "") for item in dates if isinstance(item, dict)]
        return _Parsed("products", document=document, issued=max(changed, default=""))
    return None


def _parse_lote(lote: Mapping[str, Any]) -> _Parsed | None:
    """Read an ETSI TS 119 602 list of trusted entities; services that are not trusted any more are left out."""
    about = lote.get("ListAndSchemeInformation", {})
    title = " ".join(str(item.get("value", "")) for item in about.get("SchemeName", []))
    blocks: list[str] = []
    for entity in lote.get("TrustedEntitiesList", []):
        for service in entity.get("TrustedEntityServices", []):
            facts = service.get("ServiceInformation", {})
            if facts.get("ServiceStatus", TRUSTED_STATUS) == TRUSTED_STATUS:
                certificates = facts.get("ServiceDigitalIdentity", {}).get("X509Certificates", [])
                blocks += [block_from_der(str(item.get("val", ""))) for item in certificates]
    kept = tuple(dict.fromkeys(block for block in blocks if block))
    if not kept:
        return None
    return _Parsed(
        "official_tsa" if "TSA" in title.split() else "official",
        kept,
        issued=str(about.get("ListIssueDateTime") or ""),
        next_update=str(about.get("NextUpdate") or ""),
    )


def _read_index(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / INDEX_NAME).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    known = (*ANCHOR_LISTS, "products", "distrust")
    return {key: item for key, item in found.items() if key in known} if isinstance(found, dict) else {}

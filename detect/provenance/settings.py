"""What the reader of provenance may do, and where its trust lists lie."""

from __future__ import annotations

import datetime as dt
import os
import sys
from dataclasses import dataclass
from pathlib import Path

TRUST_DIR_VARIABLE = "WITNESSMARK_TRUST_DIR"
"""Environment variable that names the folder of trust lists; `ProvenanceSettings.trust_dir` goes before it."""

MAX_SCAN_BYTES = 64 * 2**20
"""Bytes searched for loose XMP packets and markers at each end of a file: 64 MiB covers every still picture."""


@dataclass(frozen=True)
class ProvenanceSettings:
    """Every knob of `examine`; the defaults read offline and never open a socket.

    Attributes:
        trust_dir: Folder of the trust lists; None = `WITNESSMARK_TRUST_DIR`, else the user's data folder.
        fetch_remote: Follow a manifest's address on the internet. Off: the address is reported, never opened.
        allowed_hosts: Hosts (`name` or `name:port`) that `fetch_remote` may ask; empty = none.
        known_index: Folder of the index of known files, or None to leave the look-up out.
        max_scan_bytes: Bytes searched for loose marks at each end of the file, > 0.
        now: Time against which lists are stale; None = the clock. Set it for repeatable output.
    """

    trust_dir: Path | None = None
    fetch_remote: bool = False
    allowed_hosts: tuple[str, ...] = ()
    known_index: Path | None = None
    max_scan_bytes: int = MAX_SCAN_BYTES
    now: dt.datetime | None = None

    def resolved_trust_dir(self) -> Path:
        """Return the folder of trust lists that applies; it need not exist."""
        if self.trust_dir is not None:
            return Path(self.trust_dir)
        override = os.environ.get(TRUST_DIR_VARIABLE)
        return Path(override) if override else user_data_dir() / "trust"

    def current_time(self) -> dt.datetime:
        """Return `now`, or the clock's time, with a time zone."""
        return self.now or dt.datetime.now(dt.UTC)


def user_data_dir() -> Path:
    """Return the folder for this user's Witnessmark data by the platform's custom; it need not exist."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return (Path(base) if base else Path.home() / "AppData" / "Local") / "witnessmark"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "witnessmark"
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "witnessmark"

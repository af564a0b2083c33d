"""API keys: 256 random bits, shown once, kept as SHA-256, with scopes, expiry and rotation."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence

from sqlalchemy import select, update

from api.database import ApiKey, Database, new_id
from detect.errors import ConfigError

SCOPES = ("analyze", "read", "admin")
_PREFIX_CHARACTERS = 11  # "wm_" and eight more: enough to find the row, useless without the rest


class KeyStore:
    """The keys of the service."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self, name: str, scopes: Sequence[str], *, days: float | None = None, owner: str | None = None
    ) -> tuple[ApiKey, str]:
        """Make a key and return it with its secret, which cannot be shown again; `owner` is the key it succeeds.

        Raises:
            ConfigError: No scope, or one that does not exist.
        """
        if not scopes or set(scopes) - set(SCOPES):
            raise ConfigError(f"scopes must be some of {', '.join(SCOPES)}, not {', '.join(scopes) or 'none'}")
        secret = "wm_" + secrets.token_urlsafe(32)
        now = time.time()
        row = ApiKey(
            id=new_id("key"),
            owner=owner,
            name=name,
            prefix=secret[:_PREFIX_CHARACTERS],
            hash=_hash(secret),
            scopes=sorted(set(scopes), key=SCOPES.index),
            created_at=now,
            expires_at=None if days is None else now + days * 86_400,
        )
        with self._database.write() as session:
            session.add(row)
        return row, secret

    def find(self, secret: str) -> ApiKey | None:
        """Return the key of a secret, when it is known, not revoked and not expired."""
        with self._database.read() as session:
            row = session.scalar(select(ApiKey).where(ApiKey.prefix == secret[:_PREFIX_CHARACTERS]))
        if row is None or not hmac.compare_digest(row.hash, _hash(secret)):
            return None
        now = time.time()
        is_over = row.revoked_at is not None and row.revoked_at <= now
        return None if is_over or (row.expires_at is not None and row.expires_at <= now) else row

    def list(self) -> list[ApiKey]:
        """Return all keys, newest first."""
        with self._database.read() as session:
            return list(session.scalars(select(ApiKey).order_by(ApiKey.id.desc())))

    def revoke(self, key_id: str, *, in_s: float = 0.0) -> bool:
        """End a key, now or in `in_s` seconds; False when there is none of that id or prefix."""
        with self._database.write() as session:
            found = session.scalars(
                update(ApiKey)
                .where((ApiKey.id == key_id) | (ApiKey.prefix == key_id))
                .values(revoked_at=time.time() + in_s)
                .returning(ApiKey.id)
            ).all()
        return bool(found)

    def rotate(self, key_id: str, *, grace_s: float = 86_400.0) -> tuple[ApiKey, str]:
        """Make a successor of the same name, scopes and expiry; the old key works on for `grace_s`.

        The successor owns what its forerunners made: nothing under way is lost from sight.

        Raises:
            ConfigError: There is no such key.
        """
        old = next((row for row in self.list() if key_id in (row.id, row.prefix)), None)
        if old is None:
            raise ConfigError(f"there is no key {key_id!r}")
        days = None if old.expires_at is None else (old.expires_at - time.time()) / 86_400
        fresh = self.create(old.name, old.scopes, days=days, owner=old.owner or old.id)
        self.revoke(old.id, in_s=grace_s)
        return fresh


def _hash(secret: str) -> str:
    # A slow password hash guards guessable secrets; 256 random bits need none, and every call pays for it.
    return hashlib.sha256(secret.encode()).hexdigest()

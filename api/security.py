"""Who calls, what they may do, and from which page: keys, scopes, hosts, origins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from api.problems import ProblemError
from api.settings import LOOPBACK, Settings
from api.state import Service, service_of

COOKIE = "wm_key"
LOCAL_OWNER = "local"
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Caller:
    """Whoever made the call; `sees` is the owner whose things they may see, None = everybody's."""

    owner: str
    scopes: frozenset[str]

    @property
    def sees(self) -> str | None:
        """Owner filter for reads."""
        return None if "admin" in self.scopes and self.owner != LOCAL_OWNER else self.owner


def requires(scope: str) -> Callable[[Request], object]:
    """Return a dependency that admits callers with the scope; `admin` includes the others.

    Raises:
        ProblemError: 401 without a valid key, 403 without the scope or from a foreign page.
    """

    async def admit(request: Request) -> Caller:
        caller = await identify(request)
        if caller is None:
            raise ProblemError(
                401,
                "unauthorized",
                "give a valid key: 'Authorization: Bearer wm_...' or 'X-API-Key: wm_...'",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if scope not in caller.scopes and "admin" not in caller.scopes:
            raise ProblemError(403, "forbidden", f"the key lacks the scope {scope!r}")
        return caller

    return admit


async def identify(request: Request) -> Caller | None:
    """Return the caller, or None when a key is needed and none that is valid was given."""
    service = service_of(request)
    secret = _given_secret(request)
    if secret is None:
        scopes = frozenset(("analyze", "read", "admin"))
        return None if service.settings.needs_key else Caller(LOCAL_OWNER, scopes)
    row = await run_in_threadpool(service.keys.find, secret) if len(secret) <= 100 else None
    return None if row is None else Caller(row.owner or row.id, frozenset(row.scopes))


def _given_secret(request: Request) -> str | None:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value:
        return value.strip()
    return request.headers.get("x-api-key") or request.cookies.get(COOKIE)


def check_host(request: Request, settings: Settings) -> None:
    """Refuse names that this service was not given: a foreign name that resolves to loopback is an attack.

    Raises:
        ProblemError: 421.
    """
    if settings.needs_key and not settings.allowed_hosts:
        return
    try:
        host = urlsplit("//" + request.headers.get("host", "")).hostname
    except ValueError:
        host = None
    if host not in {*LOOPBACK, settings.host, *settings.allowed_hosts}:
        raise ProblemError(421, "misdirected_request", "this service does not answer to that host name")


def check_origin(request: Request, settings: Settings) -> None:
    """Refuse calls that a foreign web page makes with the visitor's own access.

    Raises:
        ProblemError: 403.
    """
    origin = request.headers.get("origin")
    if request.method in _SAFE_METHODS or origin is None or origin in settings.cors_origins:
        return
    if urlsplit(origin).netloc != request.headers.get("host"):
        raise ProblemError(403, "foreign_origin", "pages of that origin may not call this service")


def check_rate(request: Request, service: Service, caller: Caller) -> dict[str, str]:
    """Count one call that submits work; returns the headers that say what is left.

    Raises:
        ProblemError: 429 with `Retry-After`.
    """
    client = request.client.host if request.client else "unknown"
    is_allowed, headers, retry_s = service.limiter.hit(client if caller.owner == LOCAL_OWNER else caller.owner)
    if not is_allowed:
        raise ProblemError(
            429,
            "rate_limited",
            f"too many calls; try again in {retry_s} s",
            headers={**headers, "Retry-After": str(retry_s)},
        )
    return headers

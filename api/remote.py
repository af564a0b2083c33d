"""The guarded client: the only code of the service that connects to an address a caller named.

Every URL is checked by its form (`api.urls`) and every connection by where it leads (`api.pinned`), again for each
redirect. No proxies, no cookies, no credentials.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, cast
from urllib.parse import unquote

import httpcore
import httpx

from api import urls
from api.addresses import is_public
from api.pinned import PinnedBackend, Resolver, resolve
from api.urls import UrlRefusedError, UrlUnreachableError, check_url
from detect.errors import MediaTooLargeError

MAX_REDIRECTS = 3
_HEADERS = {"User-Agent": "witnessmark", "Accept": "*/*", "Accept-Encoding": "identity"}
_SPOOL_BYTES = 1024 * 1024


@dataclass(frozen=True)
class RemoteFile:
    """A fetched file at its start, and the last part of its path as a name."""

    stream: BinaryIO
    name: str


class RemoteFetcher:
    """Fetches files and posts messages under the guard.

    Args:
        allow_http: Also plain http.
        timeout_s: For one call with all its redirects.
        max_bytes: Largest body.
        resolver: Names to addresses; tests bring tables.
        is_allowed: Which addresses may be connected to.
    """

    def __init__(
        self,
        *,
        allow_http: bool = False,
        timeout_s: float = 20.0,
        max_bytes: int = 256 * 1024 * 1024,
        resolver: Resolver = resolve,
        is_allowed: Callable[[str], bool] = is_public,
    ) -> None:
        self._allow_http = allow_http
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._resolver = resolver
        self._is_allowed = is_allowed
        self._tls = ssl.create_default_context()

    def check(self, url: str) -> httpx.URL:
        """Check the form of a URL; see `check_url`."""
        return check_url(url, allow_http=self._allow_http)

    @contextlib.contextmanager
    def fetch(self, url: str) -> Iterator[RemoteFile]:
        """Fetch a URL into a temporary file that lives as long as the context.

        Raises:
            UrlRefusedError: The URL, or a redirect of it, leads where it may not.
            UrlUnreachableError: No success answer within the time.
            MediaTooLargeError: More than `max_bytes`.
        """
        deadline = time.monotonic() + self._timeout_s
        with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool, self._pool(deadline) as pool:
            target = self.check(url)
            for _ in range(MAX_REDIRECTS + 1):
                redirect = self._get(pool, target, deadline, cast(BinaryIO, spool))
                if redirect is None:
                    spool.seek(0)
                    yield RemoteFile(cast(BinaryIO, spool), _name_of(target))
                    return
                target = self.check(str(target.join(redirect)))
            raise UrlRefusedError(f"the URL redirects more than {MAX_REDIRECTS} times")

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str]]:
        """Post a message, following no redirect; returns the status and the headers of the answer.

        Raises:
            UrlRefusedError: The URL leads where it may not.
            UrlUnreachableError: No answer within the time.
        """
        target = self.check(url)
        deadline = time.monotonic() + self._timeout_s
        with self._pool(deadline) as pool, _named_errors():
            request = _request("POST", target, deadline, {**_HEADERS, **headers}, body)
            with contextlib.closing(pool.handle_request(request)) as response:
                return response.status, {
                    name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
                }

    def _pool(self, deadline: float) -> httpcore.ConnectionPool:
        backend = PinnedBackend(self._resolver, self._is_allowed, deadline)
        return httpcore.ConnectionPool(ssl_context=self._tls, max_connections=1, network_backend=backend, retries=0)

    def _get(self, pool: httpcore.ConnectionPool, target: httpx.URL, deadline: float, sink: BinaryIO) -> str | None:
        """Fetch one URL into the sink; returns where it redirects to instead, when it does."""
        with _named_errors():
            request = _request("GET", target, deadline, _HEADERS)
            with contextlib.closing(pool.handle_request(request)) as response:
                headers = {name.lower(): value for name, value in response.headers}
                if response.status in (301, 302, 303, 307, 308) and b"location" in headers:
                    return headers[b"location"].decode("latin-1")
                if response.status != 200:
                    raise UrlUnreachableError(f"the server of the URL answered {response.status}")
                size = 0
                for chunk in cast(Iterator[bytes], response.stream):
                    size += len(chunk)
                    if size > self._max_bytes:
                        raise MediaTooLargeError(f"the URL gives more than {self._max_bytes} bytes")
                    if time.monotonic() > deadline:
                        raise UrlUnreachableError("the server of the URL is too slow")
                    sink.write(chunk)
        return None


@contextlib.contextmanager
def _named_errors() -> Iterator[None]:
    """Turn what the network says into `UrlUnreachableError`, without a word that tells about the network."""
    try:
        yield
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError, ValueError) as error:
        raise UrlUnreachableError("the URL could not be fetched") from error


def _request(
    method: str, target: httpx.URL, deadline: float, headers: Mapping[str, str], body: bytes = b""
) -> httpcore.Request:
    left_s = max(0.01, deadline - time.monotonic())
    fields = {"Host": target.netloc.decode("ascii"), **headers}
    if body:
        fields["Content-Length"] = str(len(body))
    return httpcore.Request(
        method,
        httpcore.URL(
            scheme=target.raw_scheme, host=target.raw_host, port=urls.PORTS[target.scheme], target=target.raw_path
        ),
        headers=fields,
        content=body,
        extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), left_s)},
    )


def _name_of(target: httpx.URL) -> str:
    """Return the last part of the path; never the query, which may hold secrets."""
    return os.path.basename(unquote(target.path).rstrip("/"))[:255] or "file"

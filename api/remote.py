"""The guarded client: the only code of the service that connects to an address a caller named.

Resolve, check every answer, connect to a checked address (so a second, different answer of the resolver is never
asked for), and do all of it again for each redirect. No proxies, no cookies, no credentials.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, cast
from urllib.parse import unquote

import httpcore
import httpx

from api.addresses import is_public
from detect.errors import MediaTooLargeError, WitnessmarkError

MAX_REDIRECTS = 3
MAX_URL_CHARACTERS = 4096
_PORTS = {"https": 443, "http": 80}
_HEADERS = {"User-Agent": "witnessmark", "Accept": "*/*", "Accept-Encoding": "identity"}
_SPOOL_BYTES = 1024 * 1024
_MAX_ADDRESSES = 4

Resolver = Callable[[str, int], list[str]]


class UrlRefusedError(WitnessmarkError):
    """The URL may not be fetched: its form, or where it leads."""

    code = "url_refused"


class UrlUnreachableError(WitnessmarkError):
    """The URL could not be fetched: no answer, an error answer, or too slow."""

    code = "url_unreachable"


@dataclass(frozen=True)
class RemoteFile:
    """A fetched file at its start, and the last part of its path as a name."""

    stream: BinaryIO
    name: str


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host name, in the system's order."""
    try:
        return [str(answer[4][0]) for answer in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise UrlUnreachableError("the host of the URL is not known") from error


def check_url(url: str, *, allow_http: bool = False) -> httpx.URL:
    """Return the parsed URL when its form is one that may be fetched; nothing is resolved.

    Raises:
        UrlRefusedError: Another scheme or port, credentials, no host, a host that is a non-public address, or an
            address in a disguise (`0x7f.1`, `2130706433`, `127.1`).
    """
    if len(url) > MAX_URL_CHARACTERS or any(ord(character) <= 0x20 or character in '\\\x7f"<>' for character in url):
        raise UrlRefusedError("the URL is too long or holds characters that no URL holds")
    try:
        parsed = httpx.URL(url)
        host = parsed.host
    except (httpx.InvalidURL, ValueError, UnicodeError) as error:
        raise UrlRefusedError("this is not a URL") from error
    if parsed.scheme not in (("https", "http") if allow_http else ("https",)):
        raise UrlRefusedError("only https addresses are fetched" if not allow_http else "only http and https")
    if parsed.userinfo:
        raise UrlRefusedError("a URL with a user name or password is not fetched")
    if parsed.port not in (None, _PORTS[parsed.scheme]):
        raise UrlRefusedError("only the standard ports are fetched from")
    _check_host(host)
    return parsed


def _check_host(host: str) -> None:
    if not host or "%" in host or (host.endswith(".") and host.rstrip(".") == ""):
        raise UrlRefusedError("the URL names no host")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # The last label of a name is never a number: what looks so is an address written to slip by (WHATWG URL, 3.5).
        last = host.rstrip(".").rsplit(".", 1)[-1].lower()
        if last.isdigit() or last.startswith("0x") or not host.isascii():
            raise UrlRefusedError("the host of the URL is a disguised address") from None
        if last in ("localhost", "local", "internal", "localdomain", "onion", "home") or "." not in host.rstrip("."):
            raise UrlRefusedError("the host of the URL is not a public name") from None
    else:
        if not is_public(address):
            raise UrlRefusedError("the URL leads to an address that is not public")


class PinnedBackend(httpcore.NetworkBackend):
    """Opens connections only to addresses that were checked; the name is resolved once, here.

    Args:
        resolver: Names to addresses.
        is_allowed: Which addresses may be connected to.
        deadline: When all connecting, sending and reading must have ended, monotonic.
    """

    def __init__(self, resolver: Resolver, is_allowed: Callable[[str], bool], deadline: float) -> None:
        self._resolver = resolver
        self._is_allowed = is_allowed
        self._deadline = deadline
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: object = None,
    ) -> httpcore.NetworkStream:
        """Resolve, refuse when any answer is not public, connect to the first that answers."""
        addresses = self._resolver(host, port)
        if not addresses:
            raise UrlUnreachableError("the host of the URL is not known")
        if not all(self._is_allowed(address) for address in addresses):
            raise UrlRefusedError("the URL leads to an address that is not public")
        for number, address in enumerate(addresses[:_MAX_ADDRESSES], start=1):
            try:
                stream = self._inner.connect_tcp(address, port, timeout=_left_s(self._deadline, timeout))
                return TimedStream(stream, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == min(len(addresses), _MAX_ADDRESSES):
                    raise
        raise UrlUnreachableError("the host of the URL is not known")

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: object = None
    ) -> httpcore.NetworkStream:
        """Refuse: no URL leads to a socket of this machine."""
        raise UrlRefusedError("the URL leads to an address that is not public")

    def sleep(self, seconds: float) -> None:
        """Wait, as the pool asks for between tries."""
        time.sleep(seconds)


class TimedStream(httpcore.NetworkStream):
    """A connection with one end of all time: a server that drips bytes cannot hold a caller longer than that."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what comes before the deadline."""
        return self._inner.read(max_bytes, _left_s(self._deadline, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send before the deadline."""
        self._inner.write(buffer, _left_s(self._deadline, timeout))

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Go on in TLS, under the same deadline."""
        secure = self._inner.start_tls(ssl_context, server_hostname, _left_s(self._deadline, timeout))
        return TimedStream(secure, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """Return facts about the connection."""
        return self._inner.get_extra_info(info)


def _left_s(deadline: float, timeout: float | None) -> float:
    """Return the seconds that one step may take.

    Raises:
        ReadTimeout: None are left.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the time for this call is over")
    return left if timeout is None else min(left, timeout)


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
            scheme=target.raw_scheme, host=target.raw_host, port=_PORTS[target.scheme], target=target.raw_path
        ),
        headers=fields,
        content=body,
        extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), left_s)},
    )


def _name_of(target: httpx.URL) -> str:
    """Return the last part of the path; never the query, which may hold secrets."""
    return os.path.basename(unquote(target.path).rstrip("/"))[:255] or "file"


__all__ = [
    "RemoteFetcher",
    "RemoteFile",
    "UrlRefusedError",
    "UrlUnreachableError",
    "check_url",
    "resolve",
]

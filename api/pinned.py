"""Connections that lead only where they were checked to lead, and that end in time.

Resolve, check every answer, connect to a checked address, so that a second, different answer of the resolver is never
asked for.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import httpcore

from api.urls import UrlRefusedError, UrlUnreachableError

_MAX_ADDRESSES = 4

Resolver = Callable[[str, int], list[str]]


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host name, in the system's order."""
    try:
        return [str(answer[4][0]) for answer in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise UrlUnreachableError("the host of the URL is not known") from error


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

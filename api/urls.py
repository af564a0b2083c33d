"""Which addresses a caller may name at all: the form of a URL, before anything is resolved or connected to."""

from __future__ import annotations

import ipaddress

import httpx

from api.addresses import is_public
from detect.errors import WitnessmarkError

MAX_URL_CHARACTERS = 4096
PORTS = {"https": 443, "http": 80}


class UrlRefusedError(WitnessmarkError):
    """The URL may not be fetched: its form, or where it leads."""

    code = "url_refused"


class UrlUnreachableError(WitnessmarkError):
    """The URL could not be fetched: no answer, an error answer, or too slow."""

    code = "url_unreachable"


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
    if parsed.port not in (None, PORTS[parsed.scheme]):
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

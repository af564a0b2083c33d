"""The guard against server-side request forgery: every trick is refused, and nothing reaches the canary."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from api.addresses import is_public
from api.remote import RemoteFetcher
from api.urls import UrlRefusedError, UrlUnreachableError, check_url
from detect.errors import MediaTooLargeError

REFUSED_ADDRESSES = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
    *("100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.1", "192.0.2.1", "192.88.99.1", "198.18.0.1"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "ff0e::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
    *("64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:4136:e378:8000:63bf:80ff:fffe"),
    *("2001:db8::1", "3fff::1", "100::1", "2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1", "not an address"),
]
PUBLIC_ADDRESSES = ["93.184.215.14", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::5db8:d70e", "::ffff:93.184.215.14"]

REFUSED_URLS = [
    *("http://example.org/", "ftp://example.org/", "file:///etc/passwd", "gopher://example.org/", "javascript:1"),
    *("https://user@example.org/", "https://user:pw@example.org/", "https://example.org:22/", "https://example.org:0/"),
    *(
        "https://",
        "https:///path",
        "//example.org",
        "example.org",
        "",
        "https://exa mple.org/",
        "https://example.org\\@a/",
    ),
    *("https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0x7f.0.0.1/"),
    *("https://0177.0.0.1/", "https://017700000001/", "https://127.0.0.1./", "https://0/", "https://localhost/"),
    *("https://localhost./", "https://a.localhost/", "https://printer.local/", "https://metadata.google.internal/"),
    *("https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/"),
    *("https://[fe80::1%25eth0]/", "https://169.254.169.254/latest/meta-data/", "https://intranet/"),
    *(
        "https://\uff11\uff12\uff17.0.0.1/",
        "https://127\u30020\u30020\u30021/",
        "https://\u24db\u24de\u24d2\u24d0lhost/",
    ),
    *("https://example.org/\r\nX: y", "https://example.org/" + "a" * 5000),
]


@pytest.mark.parametrize("address", REFUSED_ADDRESSES)
def test_address_that_is_not_public_is_known(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_public_address_is_known(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("url", REFUSED_URLS, ids=range(len(REFUSED_URLS)))
def test_url_in_a_forbidden_form_is_refused_before_any_name_is_looked_up(url: str) -> None:
    with pytest.raises(UrlRefusedError):
        check_url(url)


def test_ordinary_urls_pass() -> None:
    assert check_url("https://example.org/a.jpg?x=1").host == "example.org"
    assert check_url("https://93.184.215.14/a.jpg").host == "93.184.215.14"
    assert check_url("http://example.org:80/", allow_http=True).scheme == "http"


class Canary(BaseHTTPRequestHandler):
    """A server on loopback that counts whoever reaches it."""

    hits: list[str]
    answers: dict[str, tuple[int, dict[str, str], bytes]]

    def do_GET(self) -> None:
        self.hits.append(self.path)
        status, headers, body = self.answers.get(self.path, (200, {}, b"secret"))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def canary(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Canary]]:
    handler = type("Handler", (Canary,), {"hits": [], "answers": {}})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    # The standard port stands for the canary's, so that only the guard can keep callers away.
    monkeypatch.setattr("api.urls.PORTS", {"https": server.server_port, "http": server.server_port})
    yield handler
    server.shutdown()
    server.server_close()
    thread.join()


def fetcher(answers: Callable[[str, int], list[str]], *, is_open: bool = False, **options: int) -> RemoteFetcher:
    allowed = {"is_allowed": lambda address: True} if is_open else {}
    return RemoteFetcher(allow_http=True, timeout_s=2, resolver=answers, **allowed, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"])
def test_name_that_leads_to_loopback_reaches_nothing(canary: type[Canary], address: str) -> None:
    with pytest.raises(UrlRefusedError), fetcher(lambda *_: [address]).fetch("http://rebind.example.org/"):
        pass
    with pytest.raises(UrlRefusedError):
        fetcher(lambda *_: [address]).post("http://rebind.example.org/", b"x", {})
    assert canary.hits == []


def test_one_bad_answer_among_good_ones_refuses_the_name(canary: type[Canary]) -> None:
    with (
        pytest.raises(UrlRefusedError),
        fetcher(lambda *_: ["93.184.215.14", "127.0.0.1"]).fetch("http://a.example.org/"),
    ):
        pass
    assert canary.hits == []


def test_name_is_resolved_once_and_the_checked_address_is_used(
    canary: type[Canary], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second answer (rebinding) is never asked for, and no other resolver is."""
    asked: list[str] = []

    def resolver(host: str, _: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    def forbidden(host: object, *rest: object, **more: object) -> object:
        assert host == "127.0.0.1", "the system was asked for a name"
        return original(host, *rest, **more)  # type: ignore[arg-type]

    original = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    with fetcher(resolver, is_open=True).fetch("http://once.example.org/a/photo.jpg?token=1") as remote:
        assert (remote.stream.read(), remote.name) == (b"secret", "photo.jpg")
    assert asked == ["once.example.org"]


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.1/", "http://localhost/", "http://[::1]/", "file:///etc/passwd", "http://u:p@example.org/"],
)
def test_redirect_is_checked_again(canary: type[Canary], target: str) -> None:
    canary.answers["/start"] = (302, {"Location": target}, b"")
    with (
        pytest.raises(UrlRefusedError),
        fetcher(lambda *_: ["127.0.0.1"], is_open=True).fetch("http://a.example.org/start"),
    ):
        pass
    assert canary.hits == ["/start"]


def test_redirect_to_a_name_that_leads_inside_is_refused(canary: type[Canary]) -> None:
    canary.answers["/start"] = (302, {"Location": "http://inside.example.org/"}, b"")
    guarded = RemoteFetcher(
        allow_http=True,
        timeout_s=2,
        resolver=lambda host, _: ["127.0.0.2" if host.startswith("inside") else "127.0.0.1"],
        is_allowed=lambda address: address == "127.0.0.1",
    )
    with pytest.raises(UrlRefusedError), guarded.fetch("http://a.example.org/start"):
        pass
    assert canary.hits == ["/start"]


def test_endless_redirects_end(canary: type[Canary]) -> None:
    canary.answers["/loop"] = (302, {"Location": "/loop"}, b"")
    with (
        pytest.raises(UrlRefusedError),
        fetcher(lambda *_: ["127.0.0.1"], is_open=True).fetch("http://a.example.org/loop"),
    ):
        pass
    assert len(canary.hits) == 4


def test_webhook_post_follows_no_redirect(canary: type[Canary]) -> None:
    canary.answers["/hook"] = (302, {"Location": "http://a.example.org/other"}, b"")
    status, headers = fetcher(lambda *_: ["127.0.0.1"], is_open=True).post("http://a.example.org/hook", b"x", {})
    assert (status, headers["location"]) == (302, "http://a.example.org/other")
    assert canary.hits == ["/hook"]


def test_too_large_and_failing_answers_are_named(canary: type[Canary]) -> None:
    canary.answers["/big"] = (200, {}, b"x" * 2000)
    canary.answers["/gone"] = (404, {}, b"")
    with (
        pytest.raises(MediaTooLargeError),
        fetcher(lambda *_: ["127.0.0.1"], is_open=True, max_bytes=1000).fetch("http://a.example.org/big"),
    ):
        pass
    with (
        pytest.raises(UrlUnreachableError, match="404"),
        fetcher(lambda *_: ["127.0.0.1"], is_open=True).fetch("http://a.example.org/gone"),
    ):
        pass
    with pytest.raises(UrlUnreachableError), fetcher(lambda *_: []).fetch("http://a.example.org/"):
        pass


def dripping(pieces: list[bytes], pause_s: float) -> tuple[socket.socket, threading.Thread]:
    """A server that answers one call, a piece at a time."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(4096)
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause_s)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return listener, thread


@pytest.mark.parametrize(
    "start", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n"], ids=["headers", "body"]
)
def test_server_that_drips_cannot_hold_a_fetch(monkeypatch: pytest.MonkeyPatch, start: bytes) -> None:
    listener, thread = dripping([start, *[b"X"] * 60], pause_s=0.1)
    port = listener.getsockname()[1]
    monkeypatch.setattr("api.urls.PORTS", {"https": port, "http": port})
    slow = RemoteFetcher(allow_http=True, timeout_s=0.5, resolver=lambda *_: ["127.0.0.1"], is_allowed=lambda _: True)
    started = time.monotonic()
    with pytest.raises(UrlUnreachableError), slow.fetch("http://a.example.org/"):
        pass
    assert time.monotonic() - started < 3
    listener.close()
    thread.join()


def test_next_checked_address_serves_when_the_first_does_not_answer(canary: type[Canary]) -> None:
    asked: list[str] = []

    def is_allowed(address: str) -> bool:
        asked.append(address)
        return True

    both = RemoteFetcher(
        allow_http=True, timeout_s=5, resolver=lambda *_: ["127.0.0.2", "127.0.0.1"], is_allowed=is_allowed
    )
    with both.fetch("http://a.example.org/x") as remote:
        assert remote.stream.read() == b"secret"
    assert asked == ["127.0.0.2", "127.0.0.1"]  # both were checked before either was connected to

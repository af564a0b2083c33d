"""Every error has the shape of RFC 9457 and says nothing of the inside."""

from __future__ import annotations

import json
import logging
import socket
import time
from typing import Any

import pytest

from api.logs import JsonFormatter, configure
from tests.unit.api.conftest import MakeRig, Rig, png, serving

MEMBERS = {"type", "title", "status", "detail", "instance", "code"}


def assert_problem(answer: Any, status: int, code: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) >= MEMBERS
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:witnessmark:problem:{code}")


@pytest.mark.parametrize(
    ("method", "path", "given", "status", "code"),
    [
        ("GET", "/nothing", {}, 404, "not_found"),
        ("GET", "/v1/analyses/an_0", {}, 404, "not_found"),
        ("GET", "/v1/analyses/" + "x" * 500, {}, 404, "not_found"),
        ("GET", "/v1/batches/ba_0", {}, 404, "not_found"),
        ("PUT", "/v1/analyses", {}, 405, "method_not_allowed"),
        ("GET", "/v1/analyses?limit=0", {}, 422, "invalid_request"),
        ("GET", "/v1/analyses?status=odd", {}, 422, "invalid_request"),
        ("POST", "/v1/analyses", {"content": b"x"}, 415, "unsupported_media"),
        ("POST", "/v1/analyses", {"json": {"url": 1}}, 422, "invalid_request"),
        ("POST", "/v1/analyses", {"json": {"url": "https://a.example", "more": 1}}, 422, "invalid_request"),
        (
            "POST",
            "/v1/analyses",
            {"content": b"{", "headers": {"Content-Type": "application/json"}},
            422,
            "invalid_request",
        ),
        (
            "POST",
            "/v1/analyses",
            {"content": b"junk", "headers": {"Content-Type": "multipart/form-data; boundary=b"}},
            422,
            "invalid_form",
        ),
        (
            "POST",
            "/v1/analyses",
            {"content": b"junk", "headers": {"Content-Type": "multipart/form-data"}},
            422,
            "invalid_form",
        ),
        ("POST", "/v1/analyses", {"data": {"file": "text"}, "files": {"other": b"x"}}, 422, "invalid_form"),
        ("POST", "/v1/provenance", {"files": {"file": ("a.txt", b"text")}}, 415, "unsupported_media"),
        ("POST", "/v1/provenance", {"files": {"file": ("a.txt", b"")}}, 422, "media_too_short"),
        ("POST", "/v1/batches", {"content": b""}, 422, "invalid_batch"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else None,
)
def test_errors_are_problems(rig: Rig, method: str, path: str, given: dict[str, Any], status: int, code: str) -> None:
    assert_problem(rig.client.request(method, path, **given), status, code)


def test_unforeseen_error_is_a_problem_without_its_text(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(rig.service.store, "page", fail)
    answer = rig.client.get("/v1/analyses")
    assert_problem(answer, 500, "internal_error")
    assert "hunter2" not in answer.text


def test_sub_resources_of_failed_and_unfinished_analyses_are_problems(make_rig: MakeRig) -> None:
    rig = make_rig()
    failed = rig.submit(png(comment=b"BROKEN")).json()["id"]
    assert_problem(rig.client.get(f"/v1/analyses/{failed}/report.html"), 409, "corrupt_media")
    rig.fake.gate.clear()
    waiting = rig.client.post("/v1/analyses", files={"file": ("a.png", png(7))}).json()["id"]
    assert_problem(rig.client.get(f"/v1/analyses/{waiting}/heatmap.png"), 409, "not_finished")
    rig.fake.gate.set()


def test_security_headers_stand_on_every_answer(rig: Rig) -> None:
    for path in ("/", "/nothing", "/v1/analyses", "/static/page.js", "/healthz"):
        headers = rig.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert headers["x-request-id"]


def test_log_holds_neither_names_nor_queries_nor_messages(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    rig.submit(png(comment=b"CRASH"), name="very-private-name.png")
    rig.client.get("/v1/analyses?cursor=secret-cursor")
    lines = [JsonFormatter().format(record) for record in caplog.records if record.name.startswith("api")]
    assert any(json.loads(line).get("route") == "/v1/analyses" for line in lines)
    assert any("RuntimeError" in line for line in lines)
    assert not any(word in line for line in lines for word in ("very-private", "secret"))


def test_address_with_several_methods_names_all_of_them(rig: Rig) -> None:
    assert rig.client.put("/v1/analyses").headers["allow"] == "GET, POST"
    assert rig.client.put("/v1/analyses/an_0").headers["allow"] == "DELETE, GET"


def test_unknown_form_field_is_refused(rig: Rig) -> None:
    answer = rig.client.post("/v1/provenance", files={"file": ("a.png", png())}, data={"zero_retention": "true"})
    assert_problem(answer, 422, "invalid_form")
    answer = rig.client.post("/v1/analyses", files={"file": ("a.png", png())}, data={"zero_retention": "maybe"})
    assert_problem(answer, 422, "invalid_form")


def test_body_that_trickles_in_is_cut_off(make_rig: MakeRig) -> None:
    rig = make_rig(upload_timeout_s=0.3)
    head = (
        "POST /v1/analyses HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        "Content-Length: 1000\r\n\r\n--b\r\n"
    )
    with serving(rig.service) as url, socket.create_connection(("127.0.0.1", int(url.rsplit(":")[-1]))) as caller:
        caller.settimeout(20)
        caller.sendall(head.encode())
        answer = b"".join(iter(lambda: caller.recv(65536), b"")).decode()  # to the end: the body may come by itself
    assert answer.startswith("HTTP/1.1 408")
    assert "connection: close" in answer.lower()
    assert '"too_slow"' in answer


def test_other_libraries_stay_out_of_the_log_below_warnings() -> None:
    root = logging.getLogger()
    kept, level = root.handlers, root.level
    try:
        configure("debug")
        assert logging.getLogger("api.jobs").isEnabledFor(logging.DEBUG)
        for name in ("sqlalchemy.engine", "httpx", "PIL.PngImagePlugin", "python_multipart", "uvicorn.access"):
            assert not logging.getLogger(name).isEnabledFor(logging.INFO), name
    finally:
        root.handlers = kept
        root.setLevel(level)
        for name in ("api", "detect", "uvicorn", "weasyprint", "fontTools", "python_multipart"):
            logging.getLogger(name).setLevel(logging.NOTSET)


def test_caller_who_hangs_up_is_no_fault_of_ours(make_rig: MakeRig) -> None:
    rig = make_rig()
    head = (
        "POST /v1/analyses HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        "Content-Length: 1000\r\n\r\n--b\r\n"
    )
    with serving(rig.service) as url:
        with socket.create_connection(("127.0.0.1", int(url.rsplit(":")[-1]))) as caller:
            caller.sendall(head.encode())
        deadline = time.monotonic() + 20
        text = ""
        while 'route="/v1/analyses"' not in text and time.monotonic() < deadline:
            text = rig.client.get("/metrics").text
    assert 'route="/v1/analyses",status="400"' in text
    assert 'status="500"' not in text

"""OpenTelemetry spans: one a call and one an analysis, in the caller's trace, without names, addresses or texts."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from api.logs import JsonFormatter
from api.tracing import OpenTelemetry, Tracing, make_tracing
from detect.errors import MissingExtraError
from tests.unit.api.conftest import MakeRig, png

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}


def test_service_without_tracing_needs_no_opentelemetry() -> None:
    tracing = make_tracing(False)
    assert type(tracing) is Tracing
    with tracing.call({}) as span:
        span.name("x")
        span.note(a=1)
        assert span.trace_id is None


def test_calls_and_analyses_become_spans_that_tell_nothing_private(
    make_rig: MakeRig, caplog: pytest.LogCaptureFixture
) -> None:
    sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="needs the extra otel")
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter").InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(memory))
    rig = make_rig()
    tracing = OpenTelemetry(provider)
    rig.service.tracing = tracing
    assert rig.service.worker is not None
    rig.service.worker._tracing = tracing
    caplog.set_level(logging.INFO)
    rig.submit(name="very-private.png", **PARENT)
    rig.submit(png(comment=b"CRASH"), name="very-private.png")
    rig.client.get("/v1/analyses?limit=1&status=failed")
    spans: dict[str, Any] = {span.name: span for span in memory.get_finished_spans()}
    assert {"POST /v1/analyses", "GET /v1/analyses", "analysis"} <= set(spans)
    calls = [span for span in memory.get_finished_spans() if span.name == "POST /v1/analyses"]
    assert f"{calls[0].context.trace_id:032x}" == TRACE
    assert calls[0].attributes["http.response.status_code"] == 200
    judged = [span for span in memory.get_finished_spans() if span.name == "analysis"]
    assert {span.attributes.get("witnessmark.verdict") for span in judged} == {"likely_synthetic", None}
    told = str(
        [(span.name, dict(span.attributes), [str(event.attributes) for event in span.events]) for span in judged]
    )
    told += str([dict(span.attributes) for span in spans.values()])
    assert not any(word in told for word in ("private", "secret", "status=failed"))
    lines = [json.loads(JsonFormatter().format(record)) for record in caplog.records if record.name == "api.access"]
    assert lines[0]["trace_id"] == TRACE
    assert lines[-1]["trace_id"] not in (None, TRACE)


def test_exporter_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="needs the extra otel")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    tracing = make_tracing(True)
    assert isinstance(tracing, OpenTelemetry)
    assert isinstance(tracing._provider, sdk.TracerProvider)
    tracing.close()
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "carrier-pigeon")
    with pytest.raises(MissingExtraError, match="OTEL_TRACES_EXPORTER"):
        make_tracing(True)

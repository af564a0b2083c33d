"""OpenTelemetry, where it is asked for: a span for each call and each analysis.

Spans hold routes, statuses, ids and times; like the log, they hold no names, addresses, queries or texts of exceptions.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
from collections.abc import Iterator, Mapping
from typing import Any

import detect

_SERVICE = "witnessmark"
_CARRIED = ("traceparent", "tracestate")


class Span:
    """What happens now; this one forgets what it is told."""

    trace_id: str | None = None

    def name(self, text: str) -> None:
        """Say what it is, once that is known."""

    def note(self, **values: str | float) -> None:
        """Add facts."""


class Tracing:
    """The tracing of a service that is not traced."""

    @contextlib.contextmanager
    def call(self, headers: Mapping[str, str]) -> Iterator[Span]:
        """Trace one HTTP call, as part of the caller's trace when its headers name one."""
        yield Span()

    @contextlib.contextmanager
    def job(self, job_id: str) -> Iterator[Span]:
        """Trace the judging of one file."""
        yield Span()

    def close(self) -> None:
        """Send what has not been sent."""


class OpenTelemetry(Tracing):
    """Tracing through OpenTelemetry.

    Args:
        provider: An SDK `TracerProvider`; made from the environment (`OTEL_...`) when left out.
    """

    def __init__(self, provider: Any = None) -> None:
        try:
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ModuleNotFoundError as error:
            raise _missing() from error
        self._provider = provider or _provider_of_environment()
        self._tracer = self._provider.get_tracer(_SERVICE, detect.__version__)
        self._propagator = TraceContextTextMapPropagator()

    @contextlib.contextmanager
    def call(self, headers: Mapping[str, str]) -> Iterator[Span]:
        """Trace one HTTP call; see `Tracing.call`."""
        from opentelemetry.trace import SpanKind

        carrier = {name: headers[name] for name in _CARRIED if name in headers}
        with self._span("call", context=self._propagator.extract(carrier), kind=SpanKind.SERVER) as span:
            yield span

    @contextlib.contextmanager
    def job(self, job_id: str) -> Iterator[Span]:
        """Trace the judging of one file; see `Tracing.job`."""
        with self._span("analysis", attributes={"witnessmark.id": job_id}) as span:
            yield span

    def close(self) -> None:
        """Send what has not been sent."""
        self._provider.shutdown()

    @contextlib.contextmanager
    def _span(self, name: str, **options: Any) -> Iterator[Span]:
        # Exceptions are not recorded: their texts quote files.
        with self._tracer.start_as_current_span(name, record_exception=False, **options) as inner:
            yield _RealSpan(inner)


class _RealSpan(Span):
    """A span of OpenTelemetry."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.trace_id = f"{inner.get_span_context().trace_id:032x}"

    def name(self, text: str) -> None:
        self._inner.update_name(text)

    def note(self, **values: str | float) -> None:
        for key, value in values.items():
            self._inner.set_attribute(f"witnessmark.{key}" if "." not in key else key, value)


def make_tracing(is_wanted: bool) -> Tracing:
    """Return the tracing that the settings ask for.

    Raises:
        MissingExtraError: OpenTelemetry is not installed, or not the exporter that the environment names.
    """
    return OpenTelemetry() if is_wanted else Tracing()


def _provider_of_environment() -> Any:
    """Return the provider that `opentelemetry-instrument` has set, or one of our own with the exporter named."""
    try:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise _missing() from error
    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return trace.get_tracer_provider()
    name = os.environ.get("OTEL_TRACES_EXPORTER", "otlp")
    found = importlib.metadata.entry_points(group="opentelemetry_traces_exporter")
    entry = next((item for wanted in (name, f"{name}_proto_http") for item in found if item.name == wanted), None)
    if entry is None:
        raise _missing()
    service = os.environ.get("OTEL_SERVICE_NAME", _SERVICE)
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(entry.load()()))
    return provider


def _missing() -> detect.MissingExtraError:
    return detect.MissingExtraError(
        "tracing needs OpenTelemetry and the exporter that OTEL_TRACES_EXPORTER names; install them with: "
        "pip install 'witnessmark[otel]'"
    )

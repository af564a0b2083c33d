"""Prometheus metrics, one registry for each application, so that several can live in one process."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from detect.types import Report

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """What operators watch: calls, waiting, stages, verdicts, failures by code, and the queue."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.calls = Counter(
            "witnessmark_http_requests",
            "Calls by route and status.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.call_seconds = Histogram(
            "witnessmark_http_request_seconds",
            "Time of calls.",
            ["method", "route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.waited = Histogram(
            "witnessmark_queue_wait_seconds",
            "Time from submission to the claim.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.stage_seconds = Histogram(
            "witnessmark_stage_seconds",
            "Time of the stages of an analysis.",
            ["stage"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.verdicts = Counter(
            "witnessmark_verdicts", "Verdicts by kind of media.", ["kind", "verdict"], registry=self.registry
        )
        self.failures = Counter(
            "witnessmark_failed_analyses", "Analyses that failed, by code.", ["code"], registry=self.registry
        )
        self.deliveries = Counter(
            "witnessmark_webhook_deliveries", "Webhook tries by result.", ["result"], registry=self.registry
        )
        self.jobs = Gauge("witnessmark_jobs", "Analyses in the database by status.", ["status"], registry=self.registry)

    def count_outcome(self, error_code: str | None, report: Report | None) -> None:
        """Count how one analysis ended."""
        if error_code is not None:
            self.failures.labels(error_code).inc()
        elif report is not None:
            kind = report.media.kind.value if report.media else "unknown"
            self.verdicts.labels(kind, report.verdict.value).inc()
            for stage, milliseconds in report.timings_ms.items():
                self.stage_seconds.labels(stage).observe(milliseconds / 1000)

    def expose(self, depth: dict[str, int]) -> bytes:
        """Return all metrics in the text format, with the queue as it is now."""
        for status in ("queued", "running", "succeeded", "failed", "expired"):
            self.jobs.labels(status).set(depth.get(status, 0))
        return generate_latest(self.registry)

"""What happens around every call: a request id, hosts and origins, security headers, one log line, metrics."""

from __future__ import annotations

import logging
import re
import secrets
import time

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.security import check_host, check_origin
from api.state import Service
from api.tracing import Span

access_log = logging.getLogger("api.access")

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""For every answer; a report page brings a stricter one of its own."""

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # no-referrer would make browsers send our own forms with `Origin: null`
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
    "Content-Security-Policy": PAGE_POLICY,
}
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


class Envelope:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        request.state.request_id = secrets.token_hex(8)
        started, status = time.perf_counter(), 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers["X-Request-ID"] = request.state.request_id
            await send(message)

        with self._service.tracing.call(request.headers) as span:
            try:
                await self._checked(request, receive, send_with_headers)
            finally:
                self._note(request, status, time.perf_counter() - started, span)

    async def _checked(self, request: Request, receive: Receive, send: Send) -> None:
        try:
            check_host(request, self._service.settings)
            check_origin(request, self._service.settings)
        except problems.ProblemError as problem:
            await problems.render(request, problem)(request.scope, receive, send)
            return
        await self._app(request.scope, receive, send)

    def _note(self, request: Request, status: int, seconds: float, span: Span) -> None:
        """Log, count and trace by the route's pattern: paths hold ids, queries may hold secrets, names are private."""
        route = getattr(request.scope.get("route"), "path", "unmatched")
        method = request.method if request.method in ("GET", "POST", "DELETE", "HEAD", "OPTIONS") else "other"
        self._service.metrics.calls.labels(method, route, str(status)).inc()
        self._service.metrics.call_seconds.labels(method, route).observe(seconds)
        span.name(f"{method} {route}")
        span.note(**{"http.request.method": method, "http.route": route, "http.response.status_code": status})
        trace = _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
        access_log.info(
            "call",
            extra={
                "request_id": request.state.request_id,
                "trace_id": span.trace_id or (trace.group(1) if trace else None),
                "method": method,
                "route": route,
                "status": status,
                "ms": round(seconds * 1000, 1),
            },
        )

"""The asynchronous client; `scripts/sync_client.py` makes the plain one from this file."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Any

import httpx

from detect.client import wire
from detect.client.wire import Analysis, Batch, Call, FileLike, Page


class AsyncClient:
    """Calls one service; keeps connections open until `aclose` or the end of `async with`.

    Args:
        base_url: Where the service listens.
        key: An API key; a local service needs none.
        timeout_s: For one call, beside what it waits for a result.
        transport: An httpx transport, for tests and proxies.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        *,
        key: str | None = None,
        timeout_s: float = wire.DEFAULT_TIMEOUT_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=base_url, headers=wire.headers_of(key), timeout=timeout_s, transport=transport
        )

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def wait_until_ready(self, *, timeout_s: float = 120.0) -> None:
        """Wait until the service has loaded its models and takes work, as after its start.

        Raises:
            ServiceError: It was not ready in time.
        """
        end = time.monotonic() + timeout_s
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await self._http.get("/readyz")).is_success:
                    return
            if time.monotonic() >= end:
                raise wire.ServiceError(0, "service_not_ready", f"the service was not ready within {timeout_s:g} s")
            await asyncio.sleep(0.2)

    async def analyze(
        self, file: FileLike, *, name: str | None = None, timeout_s: float = 600.0, zero_retention: bool = False
    ) -> Analysis:
        """Submit a file and wait for the end.

        Args:
            file: A path, bytes, or a binary file object.
            name: What to call it; the path's last part when left out.
            timeout_s: Longest wait; after it the unfinished analysis is returned.
            zero_retention: Keep no file, name or cache entry beyond the analysis.

        Raises:
            ServiceError: The service refused, or could not be reached.
        """
        first = await self.submit(file, name=name, wait_s=min(timeout_s, 20), zero_retention=zero_retention)
        return await self.wait(first, timeout_s=timeout_s)

    async def submit(
        self,
        file: FileLike,
        *,
        name: str | None = None,
        wait_s: float = 0,
        webhook_url: str | None = None,
        zero_retention: bool = False,
        idempotency_key: str | None = None,
    ) -> Analysis:
        """Submit a file and return at once, or after at most `wait_s` seconds."""
        call = wire.submit_file(
            file,
            name=name,
            wait_s=wait_s,
            webhook_url=webhook_url,
            zero_retention=zero_retention,
            key=idempotency_key,
        )
        return wire.analysis_of(await self._json(call))

    async def submit_url(
        self,
        url: str,
        *,
        wait_s: float = 0,
        webhook_url: str | None = None,
        zero_retention: bool = False,
        idempotency_key: str | None = None,
    ) -> Analysis:
        """Submit a URL, where the service fetches URLs."""
        call = wire.submit_url(
            url, wait_s=wait_s, webhook_url=webhook_url, zero_retention=zero_retention, key=idempotency_key
        )
        return wire.analysis_of(await self._json(call))

    async def get(self, analysis_id: str, *, wait_s: float = 0) -> Analysis:
        """Return an analysis, after at most `wait_s` seconds when it has not ended."""
        return wire.analysis_of(await self._json(wire.get_analysis(analysis_id, wait_s)))

    async def wait(self, analysis: Analysis, *, timeout_s: float = 600.0) -> Analysis:
        """Return the analysis once it has ended, or as it is after `timeout_s` seconds."""
        left_s = timeout_s
        while not analysis.is_finished and left_s > 0:
            analysis = await self.get(analysis.id, wait_s=min(20.0, left_s))
            left_s -= 20.0
        return analysis

    async def list(self, *, cursor: str | None = None, limit: int = 20, status: str | None = None) -> Page:
        """Return a part of one's own analyses, newest first, without reports."""
        return wire.page_of(await self._json(wire.list_analyses(cursor, limit, status)))

    async def iterate(self, *, status: str | None = None) -> AsyncIterator[Analysis]:
        """Yield all of one's own analyses, newest first, without reports."""
        cursor: str | None = None
        while True:
            page = await self.list(cursor=cursor, limit=100, status=status)
            for item in page.items:
                yield item
            if page.next_cursor is None:
                return
            cursor = page.next_cursor

    async def erase(self, analysis_id: str) -> None:
        """Erase an analysis with its file and result."""
        await self._send(Call("DELETE", f"/v1/analyses/{analysis_id}"))

    async def download(self, analysis_id: str, view: str) -> bytes:
        """Return `heatmap.png`, `report.html`, `report.pdf`, `report.json`, `spectrogram.png` or `timeline.json`."""
        return (await self._send(Call("GET", f"/v1/analyses/{analysis_id}/{view}"))).content

    async def submit_batch(self, urls: Iterable[str], *, idempotency_key: str | None = None) -> Batch:
        """Submit many URLs at once."""
        lines = "".join(json.dumps({"url": url}) + "\n" for url in urls).encode()
        return wire.batch_of(await self._json(wire.submit_batch(lines, idempotency_key)))

    async def batch(self, batch_id: str) -> Batch:
        """Say how far a batch is."""
        return wire.batch_of(await self._json(Call("GET", f"/v1/batches/{batch_id}")))

    async def batch_results(self, batch_id: str) -> tuple[Analysis, ...]:
        """Return the analyses of a batch in the order of its lines."""
        answer = await self._send(Call("GET", f"/v1/batches/{batch_id}/results.jsonl"))
        return tuple(wire.analysis_of(json.loads(line)) for line in answer.text.splitlines())

    async def provenance(self, file: FileLike, *, name: str | None = None) -> dict[str, Any]:
        """Return where a file says it comes from."""
        return dict(await self._json(Call("POST", "/v1/provenance", file=wire.read_file(file, name))))

    async def models(self) -> dict[str, Any]:
        """Return the models and the fingerprint of the pipeline."""
        return dict(await self._json(Call("GET", "/v1/models")))

    async def _json(self, call: Call) -> Any:
        return (await self._send(call)).json()

    async def _send(self, call: Call) -> httpx.Response:
        """Send a call, again when the service is busy or the connection was cut; submissions carry their key."""
        tries = 0
        while True:
            tries += 1
            response: httpx.Response | None = None
            failure: httpx.HTTPError | None = None
            try:
                response = await self._http.request(**call.arguments())
            except httpx.TransportError as error:
                failure = error
            pause_s = wire.pause_s(response, tries)
            if response is not None and (response.is_success or pause_s is None):
                return wire.checked(response)
            if failure is not None and pause_s is None:
                raise wire.unreachable(failure) from failure
            await asyncio.sleep(pause_s or 0)

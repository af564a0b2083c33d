"""A typed client of the service, plain and async; needs the extra `client` (httpx).

    with Client("http://127.0.0.1:8000", key="wm_...") as client:
        report = client.analyze("photo.jpg").report

    async with AsyncClient("http://127.0.0.1:8000") as client:
        analysis = await client.analyze("photo.jpg")

Reports are the library's own `detect.Report`. Calls that submit carry an `Idempotency-Key`, so a retry after a cut
connection never makes a second analysis.
"""

from __future__ import annotations

try:
    import httpx as _httpx  # noqa: F401 - asked for here, so that the advice below is what people see
except ModuleNotFoundError as error:
    from detect.errors import MissingExtraError

    raise MissingExtraError("detect.client needs httpx; install it with: pip install 'witnessmark[client]'") from error

from detect.client.asynchronous import AsyncClient
from detect.client.sync import Client
from detect.client.wire import Analysis, Batch, Page, ServiceError

__all__ = ["Analysis", "AsyncClient", "Batch", "Client", "Page", "ServiceError"]

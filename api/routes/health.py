"""`/healthz`, `/readyz`, `/metrics`."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from prometheus_client import CONTENT_TYPE_LATEST

from api.problems import not_found
from api.schemas import HealthBody
from api.state import service_of

router = APIRouter(tags=["operations"])


@router.get("/healthz", response_model=HealthBody)
async def healthz() -> HealthBody:
    """Say that the process answers."""
    return HealthBody(status="ok")


@router.get("/readyz", response_model=HealthBody, responses={503: {"model": HealthBody}})
async def readyz(request: Request, response: Response) -> HealthBody:
    """Say whether work is taken: the database answers, the model is loaded, the queue has room."""
    service = service_of(request)
    checks = {"accepting": not service.is_draining}
    try:
        checks["queue"] = await run_in_threadpool(service.store.has_room)
        checks["database"] = True
    except Exception:
        checks["database"] = False
    if service.worker is not None:
        checks["model"] = service.worker.is_ready
    if not all(checks.values()):
        response.status_code = 503
        return HealthBody(status="unavailable", checks=checks)
    return HealthBody(status="ok", checks=checks)


@router.get("/metrics", responses={200: {"content": {"text/plain": {}}}}, response_class=Response)
async def metrics(request: Request) -> Response:
    """Give Prometheus metrics."""
    service = service_of(request)
    if not service.settings.metrics:
        raise not_found("page")
    text = service.metrics.expose(await run_in_threadpool(service.store.depth))
    return Response(text, media_type=CONTENT_TYPE_LATEST)

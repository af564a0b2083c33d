"""`/v1/keys`: what `witnessmark keys list` shows, for operators without a shell; making keys stays with the command."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool

from api.schemas import KeyBody, key_body
from api.security import Caller, requires
from api.state import service_of

router = APIRouter(prefix="/v1/keys", tags=["keys"])
Admin = Annotated[Caller, Depends(requires("admin"))]


@router.get("", response_model=list[KeyBody])
async def list_keys(request: Request, caller: Admin) -> list[KeyBody]:
    """List the keys without their secrets."""
    return [key_body(row) for row in await run_in_threadpool(service_of(request).keys.list)]

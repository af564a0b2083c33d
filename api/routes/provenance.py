"""`/v1/provenance`: where a file says it comes from, without any model and without keeping the file."""

from __future__ import annotations

from typing import Annotated, Any, BinaryIO, cast

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool

from api.schemas import ProvenanceBody
from api.security import Caller, check_rate, requires
from api.state import service_of
from api.uploads import form_content, read_upload
from detect.media import open_source
from detect.provenance import disclosures, examine
from detect.serialize import to_plain

router = APIRouter(prefix="/v1/provenance", tags=["provenance"])

_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": form_content()}}


@router.post("", response_model=ProvenanceBody, openapi_extra=_BODY)
async def read_provenance(request: Request, caller: Annotated[Caller, Depends(requires("analyze"))]) -> ProvenanceBody:
    """Read Content Credentials, metadata and marks of a file; the file is not kept."""
    service = service_of(request)
    check_rate(request, service, caller)
    settings = service.settings
    async with read_upload(request, settings.max_upload_bytes, settings.upload_timeout_s) as upload:
        return await run_in_threadpool(_examine, upload.stream, upload.name)


def _examine(stream: BinaryIO, name: str) -> ProvenanceBody:
    with open_source(stream, name=name) as source:
        evidence = examine(source.path, kind=source.kind, format=source.format)
        return ProvenanceBody(
            sha256=source.sha256,
            size=source.size,
            kind=source.kind.value,
            format=source.format,
            mime=source.mime,
            evidence=cast(list[dict[str, Any]], to_plain(evidence)),
            disclosures=cast(dict[str, Any], to_plain(disclosures(evidence))),
        )

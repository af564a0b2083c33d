"""What hangs below an analysis: heat map, spectrogram, sound, timeline, and the report as JSON, HTML and PDF."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from starlette.background import BackgroundTask

from api import pictures
from api.database import Analysis
from api.problems import ProblemError
from api.routes.analyses import Reader, find
from api.schemas import ReportBody, TimelineBody
from api.security import Caller, check_rate
from api.state import Service, service_of
from api.timeline import timeline_of
from detect.render.pdf import format_pdf
from detect.serialize import report_from_dict
from detect.types import Report

router = APIRouter(prefix="/v1/analyses/{analysis_id}", tags=["views"])
T = TypeVar("T")

_PNG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}}}


async def report_of(service: Service, caller: Caller, analysis_id: str) -> tuple[Analysis, Report]:
    """Return an analysis with its Report.

    Raises:
        ProblemError: 404 not there, 409 not finished, 410 erased, 409 failed.
    """
    row = await find(service, caller, analysis_id)
    if row.report is not None:
        return row, report_from_dict(row.report)
    if row.status == "failed":
        raise ProblemError(409, row.error_code or "failed", "the analysis failed: there is no report")
    if row.status == "expired":
        raise ProblemError(410, "erased", "the result has been erased in time")
    raise ProblemError(409, "not_finished", "the analysis has not ended yet", headers={"Retry-After": "2"})


async def _drawn(request: Request, caller: Caller, analysis_id: str, draw: Callable[..., T], **options: Any) -> T:
    service = service_of(request)
    check_rate(request, service, caller)
    row, report = await report_of(service, caller, analysis_id)
    return await service.draw(draw, service.blobs, row, report, **options)


@router.get("/heatmap.png", response_class=Response, responses=_PNG)
async def get_heat_map(request: Request, caller: Reader, analysis_id: str, overlay: bool = False) -> Response:
    """Draw the heat map over the picture; `overlay=true` gives the map alone, transparent."""
    png = await _drawn(request, caller, analysis_id, pictures.draw_heat_map, is_overlay=overlay)
    return Response(png, media_type="image/png")


@router.get("/spectrogram.png", response_class=Response, responses=_PNG)
async def get_spectrogram(request: Request, caller: Reader, analysis_id: str) -> Response:
    """Draw the recording: time to the right, tones upwards."""
    return Response(await _drawn(request, caller, analysis_id, pictures.draw_sound), media_type="image/png")


@router.get("/sound.wav", response_class=Response, responses={200: {"content": {"audio/wav": {}}}})
async def get_sound(request: Request, caller: Reader, analysis_id: str) -> Response:
    """Give the recording as it was judged, 16 kHz mono; also in parts (`Range`), as players ask for them."""
    path = await _drawn(request, caller, analysis_id, pictures.write_sound)
    return FileResponse(path, media_type="audio/wav", background=BackgroundTask(path.unlink, missing_ok=True))


@router.get("/timeline.json", response_model=TimelineBody)
async def get_timeline(request: Request, caller: Reader, analysis_id: str) -> TimelineBody:
    """Give a score for each second of frames, faces and sound, and the stretches of time that stand out."""
    _, report = await report_of(service_of(request), caller, analysis_id)
    return timeline_of(report)


@router.get("/report.json", response_model=ReportBody)
async def get_report_json(request: Request, caller: Reader, analysis_id: str) -> JSONResponse:
    """Give the Report alone, as the library writes it."""
    row = (await report_of(service_of(request), caller, analysis_id))[0]
    return JSONResponse(row.report)


@router.get("/report.html", response_class=HTMLResponse)
async def get_report_html(request: Request, caller: Reader, analysis_id: str) -> HTMLResponse:
    """Give the report as one self-contained page."""
    html = await _drawn(request, caller, analysis_id, pictures.draw_report)
    # The page's own policy, in its head, is as strict and admits its inline style by hash; both would have to agree.
    return HTMLResponse(
        html, headers={"Content-Security-Policy": "frame-ancestors 'none'; sandbox allow-scripts allow-downloads"}
    )


@router.get("/report.pdf", response_class=Response, responses={200: {"content": {"application/pdf": {}}}})
async def get_report_pdf(request: Request, caller: Reader, analysis_id: str) -> Response:
    """Give the report as PDF/UA; 501 where the extra `report` is not installed."""
    html = await _drawn(request, caller, analysis_id, pictures.draw_report)
    pdf = await service_of(request).draw(format_pdf, html)
    return Response(pdf, media_type="application/pdf")

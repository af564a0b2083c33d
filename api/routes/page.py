"""The page: check a file, wait, read the result, see and erase one's own checks; works without script."""

from __future__ import annotations

import functools
import importlib.util
import json
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse

from api import page, pictures
from api.bookmarklet import bookmarklet
from api.database import Analysis
from api.page import translate
from api.page.sentences import error_texts, error_words, sentence
from api.problems import ProblemError, not_found, problem_of
from api.routes import analyses
from api.security import COOKIE, check_rate, identify
from api.state import Service, service_of
from detect.errors import WitnessmarkError
from detect.render import words
from detect.render.view import build_view
from detect.serialize import report_from_dict
from detect.types import Report, Verdict

router = APIRouter(include_in_schema=False)
_LANGUAGE_COOKIE = "wm_lang"
_YEAR_S = 365 * 86_400
_SESSION_S = 12 * 3600


@router.get("/")
async def home(request: Request, url: Annotated[str, Query(max_length=4096)] = "") -> Response:
    """Show the form, or ask for a key where one is needed."""
    return await _home(request, url=url)


@router.post("/check")
async def check(request: Request) -> Response:
    """Take the form of a browser without script, and go to the result."""
    service = service_of(request)
    caller = await identify(request)
    if caller is None:
        return await _home(request, status=401)
    try:
        check_rate(request, service, caller)
        row = await analyses.submit_form(request, service, caller)
    except (ProblemError, WitnessmarkError) as error:
        problem = error if isinstance(error, ProblemError) else problem_of(error)
        text = error_texts(_language(request)).get(problem.code, problem.detail)
        return await _home(request, error=text, status=problem.status)
    return RedirectResponse(f"/a/{row.id}", 303)


@router.get("/a/{analysis_id}")
async def show(request: Request, analysis_id: str) -> Response:
    """Show a result, or that it is on its way; this address is the permalink."""
    service = service_of(request)
    caller = await identify(request)
    if caller is None:
        return await _home(request, status=401)
    try:
        row = await analyses.find(service, caller, analysis_id)
    except ProblemError:
        return _message(request, "missing", status=404)
    if row.status in ("queued", "running"):
        return _page(request, "waiting.html", id=row.id, name=row.name)
    if row.report is None:
        return _message(request, row.status, code=row.error_code or "", detail=row.error_detail or "", name=row.name)
    return await _result(request, service, row, report_from_dict(row.report))


@router.post("/a/{analysis_id}/erase")
async def erase(request: Request, analysis_id: str) -> Response:
    """Erase a result from the page."""
    caller = await identify(request)
    if caller is None:
        return await _home(request, status=401)
    try:
        await analyses.erase_analysis(request, caller, analysis_id)
    except ProblemError:
        return _message(request, "missing", status=404)
    return RedirectResponse("/history", 303)


@router.get("/history")
async def history(request: Request, cursor: analyses.Cursor = None) -> Response:
    """List one's own checks."""
    caller = await identify(request)
    if caller is None:
        return await _home(request, status=401)
    found = await analyses.list_analyses(request, caller, cursor=cursor, limit=50, status=None)
    items = [
        {
            "id": item.id,
            "name": item.name,
            "title": words.VERDICT_TITLES[Verdict(item.verdict)] if item.verdict else _STATUS_TITLES[item.status],
            "created_at": item.created_at.isoformat(),
            "time": item.created_at.strftime("%Y-%m-%d %H:%M"),
        }
        for item in found.items
    ]
    return _page(request, "history.html", items=items, next=found.next_cursor)


@router.post("/sign-in")
async def sign_in(request: Request, key: Annotated[str, Form(max_length=100)]) -> Response:
    """Keep the key in a cookie that scripts cannot read and other sites cannot make the browser send."""
    service = service_of(request)
    if await run_in_threadpool(service.keys.find, key) is None:
        return await _home(request, error=_translate(request, "That key is not valid."), status=401)
    answer = RedirectResponse("/", 303)
    is_secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, key, max_age=_SESSION_S, httponly=True, samesite="strict", secure=is_secure)
    return answer


@router.post("/sign-out")
async def sign_out() -> Response:
    """Forget the key of this browser."""
    answer = RedirectResponse("/", 303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


@router.get("/shared/{name}")
async def shared(name: str) -> Response:
    """Give the style and script that the library's reports use too."""
    if name not in page.REPORT_FILES:
        raise not_found("file")
    return FileResponse(page.REPORT_TEMPLATES / name, media_type=page.REPORT_FILES[name])


async def _home(request: Request, *, url: str = "", error: str = "", status: int = 200) -> Response:
    service = service_of(request)
    answer = _page(
        request,
        "home.html",
        path="/",
        needs_key=await identify(request) is None,
        can_fetch=service.settings.fetch_urls,
        max_size=words.file_size(service.settings.max_upload_bytes),
        bookmarklet=bookmarklet(str(request.base_url).rstrip("/")),
        url=url,
        error=error,
        errors=json.dumps(error_texts(_language(request))),
        status=status,
    )
    answer.headers["Cross-Origin-Opener-Policy"] = "unsafe-none"  # the bookmarklet hands its picture to this window
    return answer


async def _result(request: Request, service: Service, row: Analysis, report: Report) -> Response:
    pixels = await service.draw(pictures.read_pixels, service.blobs, row, report)
    stills = await service.draw(pictures.read_stills, service.blobs, row, report)
    sound = await service.draw(pictures.read_sound, service.blobs, row, report)
    view = await service.draw(
        build_view,
        report,
        anchor="report",
        pixels_rgb=pixels,
        stills=stills,
        sound=sound,
        player_url=f"/v1/analyses/{row.id}/sound.wav",
        say=functools.partial(translate, language=_language(request)),
    )
    has_sound = row.blob is not None and pictures.has_sound(report)
    return _page(
        request,
        "result.html",
        id=row.id,
        view=view,
        sentence=sentence(report, _language(request)),
        is_cached=row.is_cached,
        has_sound=has_sound,
        has_pdf=importlib.util.find_spec("weasyprint") is not None,
    )


_STATUS_TITLES = {"queued": "Waiting", "running": "Being judged", "failed": "Could not be judged", "expired": "Erased"}


def _message(
    request: Request, what: str, *, status: int = 200, code: str = "", detail: str = "", name: str = ""
) -> Response:
    title, text = error_words(what, code, detail, _language(request))
    shown = f"{title}: {name}" if name else title
    return _page(request, "message.html", title=shown, text=text, code=code, status=status)


def _page(request: Request, template: str, *, status: int = 200, **values: object) -> HTMLResponse:
    language = _language(request)
    known = {"path": request.url.path, "is_signed_in": COOKIE in request.cookies}
    html = page.render(template, language, **{**known, **values})
    answer = HTMLResponse(html, status, headers={"Content-Language": language, "Vary": "Accept-Language, Cookie"})
    if request.query_params.get("lang") == language:
        answer.set_cookie(_LANGUAGE_COOKIE, language, max_age=_YEAR_S, httponly=True, samesite="lax")
    return answer


def _language(request: Request) -> str:
    wish = request.query_params.get("lang") or request.cookies.get(_LANGUAGE_COOKIE)
    return page.choose_language(wish, request.headers.get("accept-language", ""))


def _translate(request: Request, text: str) -> str:
    return page.translate(text, _language(request))

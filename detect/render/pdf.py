"""The HTML report as PDF/UA, for a case file; nothing is fetched while it is drawn."""

from __future__ import annotations

import functools
import re

from detect.errors import MissingExtraError
from detect.render.html import TEMPLATES

_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_VARIABLE = re.compile(r"--([\w-]+):\s*([^;]+);")
_LOOKS = re.compile(r"(?:^|;)\s*((?:fill|stroke|stroke-[\w-]+|opacity|font-size):[^;]+)")
_TURN = re.compile(r'<header class="verdict verdict--([\w-]+)"|<svg\b[^>]*>')


def format_pdf(html: str) -> bytes:
    """Return a self-contained page of `detect.render.html` as PDF/UA-1, which screen readers can follow.

    Raises:
        MissingExtraError: The extra `report`, or the system's Pango, is not installed; the message says what to do.
    """
    try:
        from weasyprint import HTML
        from weasyprint.urls import URLFetcher
    except (ImportError, OSError) as error:  # OSError: the wheel is there, the system's library is not
        raise MissingExtraError(
            "PDF needs WeasyPrint (and libpango of the system); install it with: pip install 'witnessmark[report]'"
        ) from error
    document = HTML(string=dress_charts(html), url_fetcher=URLFetcher(allowed_protocols=("data",)))
    return bytes(document.write_pdf(pdf_variant="pdf/ua-1"))


def dress_charts(html: str) -> str:
    """Return the page with the looks of its charts inside each of them.

    WeasyPrint draws inline SVG by the style that stands within it, not by that of the page; without this, all bars are
    black. The colours are those for print; that of the verdict is the one before the chart.
    """
    tone = "none"

    def dress(found: re.Match[str]) -> str:
        nonlocal tone
        if found.group(1):
            tone = found.group(1)
            return found.group(0)
        return f"{found.group(0)}<style>{_chart_style(tone)}</style>"

    return _TURN.sub(dress, html)


@functools.cache
def _chart_style(verdict: str) -> str:
    """Return the rules of the page's style sheet that give charts their looks, with all variables filled in."""
    screen, _, rest = (TEMPLATES / "report.css").read_text(encoding="utf-8").partition("@media (max-width")
    values = dict(_VARIABLE.findall(screen.partition("@media")[0])) | dict(_VARIABLE.findall(rest))
    tones = {
        name: values[variable]
        for selectors, body in _RULE.findall(screen)
        for variable in re.findall(r"--tone: var\(--([\w-]+)\)", body)
        for name in re.findall(r"\.verdict--([\w-]+)", selectors)
    }
    values["tone"] = tones.get(verdict, values["none"])
    rules = []
    for selectors, body in _RULE.findall(screen):
        looks = "; ".join(_LOOKS.findall(body))
        if "fill" in looks or "stroke" in looks or "opacity" in looks:
            filled = re.sub(r"var\(--([\w-]+)\)", lambda found: values[found.group(1)], looks)
            rules.append(f"{selectors.strip()} {{ {filled} }}")
    return "\n".join(rules)

"""The page for people: server-rendered, one small ES module, no request to anybody else.

Words come from gettext catalogues in `locale/`; what a Report says in English is looked up there too and stays
English where a catalogue does not know it.
"""

from __future__ import annotations

import functools
import gettext
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from detect.render import levels, words
from detect.render.html import TEMPLATES as REPORT_TEMPLATES
from detect.text import clean_text

HERE = Path(__file__).parent
STATIC = HERE / "static"
LOCALE = HERE / "locale"
LANGUAGES = {"en": "English", "de": "Deutsch"}
REPORT_FILES = {"report.css": "text/css", "report.js": "text/javascript"}
"""Style and script that the page shares with the library's HTML reports, in `REPORT_TEMPLATES`."""


@functools.cache
def environment(language: str) -> jinja2.Environment:
    """Return the templates in one of `LANGUAGES`."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    catalogue = _catalogue(language)
    environment.install_gettext_translations(catalogue, newstyle=True)  # type: ignore[attr-defined]
    # A text of a Report is data: without arguments a per cent sign in it is no place holder.
    environment.filters |= {
        "said": catalogue.gettext,
        "score": words.score,
        "signed": words.signed,
        "label": levels.label,
        "value_text": levels.value_text,
    }
    environment.globals |= {"words": words, "language": language, "languages": LANGUAGES}
    return environment


def render(template: str, language: str, **values: Any) -> str:
    """Return a page in one of `LANGUAGES`."""
    return environment(language).get_template(template).render(**values)


def translate(text: str, language: str) -> str:
    """Return a text in one of `LANGUAGES`; one that the catalogue does not know stays as it is."""
    return str(_catalogue(language).gettext(text))


@functools.cache
def _catalogue(language: str) -> gettext.NullTranslations:
    return gettext.translation("messages", LOCALE, languages=[language], fallback=language == "en")


def choose_language(wish: str | None, accepted: str) -> str:
    """Return the language to show: what was chosen, else the first accepted one that exists, else English.

    Example:
        >>> choose_language(None, "fr-CH, de;q=0.8, en;q=0.9")
        'en'
    """
    if wish in LANGUAGES:
        return wish
    return next((tag for tag in _accepted(accepted) if tag in LANGUAGES), "en")


def _accepted(header: str) -> Sequence[str]:
    """Return the primary language tags of `Accept-Language`, most wanted first."""
    found: list[tuple[float, str]] = []
    for part in header.split(",")[:20]:
        tag, _, weight = part.partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=")) if weight else 1.0
        except ValueError:
            continue
        found.append((quality, tag.strip().lower().partition("-")[0]))
    return [tag for _, tag in sorted(found, key=lambda item: -item[0])]


def _finalize(value: Any) -> Any:
    """Clean every string that a template prints, besides the escaping; markup of our own passes."""
    return clean_text(value, max_characters=2000) if isinstance(value, str) and not isinstance(value, Markup) else value


__all__ = [
    "LANGUAGES",
    "LOCALE",
    "REPORT_FILES",
    "REPORT_TEMPLATES",
    "STATIC",
    "choose_language",
    "render",
    "translate",
]

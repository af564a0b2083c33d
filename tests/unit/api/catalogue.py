"""Every text that the page can show and a catalogue should know."""

from __future__ import annotations

from babel.messages.extract import extract_from_dir

from api.page import HERE
from api.page.sentences import all_texts
from detect.provenance.disclosures import disclosures
from detect.render import audio
from detect.render.levels import LEVEL_TITLES
from detect.render.view import disclosure_lines
from detect.render.words import SOURCE_TITLES, STATUS_TITLES, VERDICT_TITLES

_PLACES = (
    *("upper left", "upper centre", "upper right", "middle left", "centre", "middle right"),
    *("lower left", "lower centre", "lower right"),
)


def template_texts() -> set[str]:
    """Return the texts in the templates."""
    found = extract_from_dir(
        HERE / "templates",
        method_map=[("**.html", "jinja2")],
        options_map={"**.html": {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}},
    )
    return {text for _, _, text, _, _ in found if isinstance(text, str)}


def core_texts() -> set[str]:
    """Return the texts of the page itself, which every catalogue must know; reasons of evidence may stay English."""
    words = {*VERDICT_TITLES.values(), *STATUS_TITLES.values(), *LEVEL_TITLES.values(), *SOURCE_TITLES.values()}
    words |= {
        *audio.TEXTS,
        "authentic",
        "undecided",
        *(text for line in disclosure_lines(disclosures([])) for text in line),
    }
    states = {"Waiting", "Being judged", "Could not be judged", "Erased", "Starting point (prior)"}
    return template_texts() | words | states | {*all_texts(), *_PLACES}

"""Sentences of the page that depend on a verdict or an error."""

from __future__ import annotations

from api.page import translate
from detect.types import Report, Verdict

# Keyed by verdict, about "this file", so that every language can decline it once.
_SENTENCES = {
    Verdict.LIKELY_AUTHENTIC: "What was looked at fits an authentic file. It does not prove that the caption, the "
    "place or the date is right.",
    Verdict.LIKELY_SYNTHETIC: "What was looked at fits a file that a machine made. Look at the reasons before you rely "
    "on it.",
    Verdict.LIKELY_MANIPULATED: "What was looked at fits an authentic file with generated or replaced parts.",
    Verdict.INCONCLUSIVE: "The evidence does not decide. Read this neither as authentic nor as fake.",
    Verdict.NOT_APPLICABLE: "Nothing in this file could be judged.",
}
_TITLES = {
    "missing": "There is no such result",
    "failed": "Could not be judged",
    "expired": "The result has been erased",
}
_TEXTS = {
    "missing": "It may have been erased, or it belongs to somebody else.",
    "expired": "Results are kept for a limited time. Check the file again.",
}
_ERRORS = {
    "unsupported_media": "This is no picture, clip or recording of a kind that is read here. Its name does not matter, "
    "only its content.",
    "corrupt_media": "The file is damaged: it could not be read to its end.",
    "media_too_large": "The file is too large.",
    "media_too_short": "The file is empty, or too short to judge.",
    "decode_timeout": "Reading the file took too long.",
    "url_refused": "That address may not be fetched.",
    "url_unreachable": "That address could not be fetched.",
    "internal_error": "Something broke on the side of the service. Try again, or tell its operator.",
    "worker_lost": "The analysis was interrupted too often. Try again, or tell the operator of the service.",
    "queue_full": "The service has more work than it can take. Try again in a minute.",
    "rate_limited": "You have sent a lot in a short time. Try again in a minute.",
    "shutting_down": "The service is being restarted. Try again in a minute.",
    "too_slow": "The upload took too long. Check the connection and try again.",
    "unauthorized": "You are not signed in any more. Open the page again and enter the key.",
    "forbidden": "The key may not do this.",
    "urls_disabled": "This service fetches no addresses. Send the file.",
}


def sentence(report: Report, language: str) -> str:
    """Return what the verdict means."""
    return translate(_SENTENCES[report.verdict], language)


def error_words(what: str, code: str, detail: str, language: str) -> tuple[str, str]:
    """Return title and text for what is `missing`, `failed` or `expired`; the detail serves codes without words."""
    text = _ERRORS.get(code, detail) if what == "failed" else _TEXTS[what]
    return translate(_TITLES[what], language), translate(text, language) if text else ""


def error_texts(language: str) -> dict[str, str]:
    """Return the text of each known error code."""
    return {code: translate(text, language) for code, text in _ERRORS.items()}


def all_texts() -> list[str]:
    """Return every text here, for the catalogues."""
    return [*_SENTENCES.values(), *_TITLES.values(), *_TEXTS.values(), *_ERRORS.values(), "That key is not valid."]

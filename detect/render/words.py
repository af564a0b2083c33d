"""Plain English for the words of `detect.types`: titles and sentences, keyed by stable codes.

Texts of single reasons travel with the reason. What stands here is what a Report does not say by itself.
"""

from __future__ import annotations

import math

from detect.types import Finding, Interval, MediaFacts, MediaKind, Operating, Reason, Report, Status, Verdict

VERDICT_TITLES = {
    Verdict.LIKELY_AUTHENTIC: "Likely authentic",
    Verdict.LIKELY_SYNTHETIC: "Likely made by a machine",
    Verdict.LIKELY_MANIPULATED: "Likely manipulated",
    Verdict.INCONCLUSIVE: "Inconclusive",
    Verdict.NOT_APPLICABLE: "Not judged",
}

_VERDICT_SENTENCES = {
    Verdict.LIKELY_AUTHENTIC: "What was looked at fits an authentic {noun}. It does not prove that the caption, the "
    "place or the date is right.",
    Verdict.LIKELY_SYNTHETIC: "What was looked at fits a {noun} that a machine made. Look at the reasons before you "
    "rely on it.",
    Verdict.LIKELY_MANIPULATED: "What was looked at fits an authentic {noun} with generated or replaced parts.",
    Verdict.INCONCLUSIVE: "The evidence does not decide. Read this neither as authentic nor as fake.",
    Verdict.NOT_APPLICABLE: "Nothing in this {noun} could be judged.",
}

VERDICT_SYMBOLS = {
    Verdict.LIKELY_AUTHENTIC: "✓",
    Verdict.LIKELY_SYNTHETIC: "▲",
    Verdict.LIKELY_MANIPULATED: "◆",
    Verdict.INCONCLUSIVE: "?",
    Verdict.NOT_APPLICABLE: "–",
}
"""A shape beside the colour, for people and printers that do not see the colour."""

STATUS_TITLES = {
    Status.SCORED: "judged",
    Status.NOT_APPLICABLE: "does not apply",
    Status.UNAVAILABLE: "could not be checked",
    Status.FAILED: "check failed",
}

KIND_NOUNS = {
    MediaKind.IMAGE: "picture",
    MediaKind.AUDIO: "recording",
    MediaKind.VIDEO: "clip",
    MediaKind.DOCUMENT: "document",
    MediaKind.UNKNOWN: "file",
}

SOURCE_TITLES = {
    "image.pixels": "Pixels of the picture",
    "face.swap": "Faces",
    "video.frames": "Frames of the clip",
    "video.motion": "Motion",
    "audio.speech": "Speech",
    "audio.music": "Music",
    "provenance.c2pa": "Content Credentials (C2PA)",
    "provenance.metadata": "Metadata in the file",
    "watermark.dwtdct": "Watermark of Stable Diffusion, SDXL or FLUX",
    "watermark.stealth": "Generation parameters hidden in the pixels",
    "watermark.perth": "Watermark of voices (Perth)",
    "known.file": "Known files",
    "known.picture": "Known pictures",
    "known.sound": "Known recordings",
}
NEVER = "never"
_FAMILY_TITLES = {"watermark": "Watermark", "known": "Known files", "provenance": "Provenance"}
_PROVENANCE_FAMILIES = frozenset(_FAMILY_TITLES)

# Bounds of |llr| in nats with the words of a reader; the first three are factors of about 1.1, 3 and 10 on the odds.
_STRENGTHS = ((0.1, "next to nothing"), (1.1, "weak"), (2.3, "moderate"), (4.6, "strong"), (math.inf, "very strong"))


def source_title(source: str) -> str:
    """Return the title of a kind of evidence; an unknown one keeps its dotted name."""
    if source in SOURCE_TITLES:
        return SOURCE_TITLES[source]
    family, _, member = source.partition(".")
    return f"{_FAMILY_TITLES[family]}: {member}" if family in _FAMILY_TITLES and member else source


def is_provenance(source: str) -> bool:
    """Say whether the evidence speaks about where a file comes from, rather than about its content."""
    return source.partition(".")[0] in _PROVENANCE_FAMILIES


def telling_reasons(report: Report) -> tuple[Reason, ...]:
    """Return the reasons behind the verdict, without those that say of the file's origin that nothing was found.

    Absence weighs nothing and is said where the file's origin is told; among the reasons it reads like a suspicion.
    A credential that is there and could not be read stays; a mark that could not be looked for does not.
    """
    silent = {
        reason
        for item in report.evidence
        if is_provenance(item.source)
        and item.status is not Status.SCORED
        and (item.status is Status.NOT_APPLICABLE or not item.source.startswith("provenance."))
        for reason in item.reasons
    }
    return tuple(reason for reason in report.reasons if reason not in silent) or report.reasons


def noun(report: Report) -> str:
    """Return `picture`, `recording`, `clip`, `document` or `file`."""
    return KIND_NOUNS[report.media.kind if report.media else MediaKind.UNKNOWN]


def verdict_title(report: Report) -> str:
    """Return the verdict as a headline of a few words."""
    return "Could not be judged" if report.error else VERDICT_TITLES[report.verdict]


def verdict_symbol(report: Report) -> str:
    """Return one character whose shape tells the verdicts apart without colour."""
    return "!" if report.error else VERDICT_SYMBOLS[report.verdict]


def verdict_sentence(report: Report) -> str:
    """Return what the verdict means for this kind of file, in one or two sentences."""
    if report.error:
        return report.error.message
    return _VERDICT_SENTENCES[report.verdict].format(noun=noun(report))


def budget_sentence(operating: Operating) -> str:
    """Return what the false-accusation budget promises."""
    if threshold(operating.synthetic_threshold) == NEVER:
        return "No calibrated classifier judged this file: only what the file says about itself could decide."
    share = f"{operating.max_false_positive_rate * 100:g}"
    accused, acquitted = threshold_scores(operating)
    return (
        f"Called machine-made below {accused}, authentic above {acquitted}, else undecided: set so that at most "
        f"{share} of 100 authentic files of the calibration set would be called machine-made or manipulated."
    )


def threshold_scores(operating: Operating) -> tuple[str, str]:
    """Return the authenticity below which a file is accused and above which it is acquitted.

    With three decimals, one more than the score: a file just short of a threshold must not read as if it had passed.
    """
    accused, acquitted = (
        1 / (1 + math.exp(min(max(value, -700.0), 700.0))) if value is not None else default
        for value, default in ((operating.synthetic_threshold, 0.0), (operating.authentic_threshold, 1.0))
    )
    return f"{accused:.3f}", f"{acquitted:.3f}"


def threshold(log_odds: float | None) -> str:
    """Return a threshold in nats; an infinite one (null in JSON) is never reached."""
    return f"{signed(log_odds)} nats" if log_odds is not None and math.isfinite(log_odds) else NEVER


def strength(llr: float, finding: Finding = Finding.SYNTHETIC) -> str:
    """Return how much a log-likelihood ratio (nats) weighs, in words with its direction.

    Args:
        llr: The ratio; positive towards what `finding` names.
        finding: What a positive ratio would mean.

    Example:
        >>> strength(1.5)
        'moderate, towards machine-made'
    """
    word = next(name for bound, name in _STRENGTHS if abs(llr) < bound)
    if abs(llr) < _STRENGTHS[0][0]:
        return word
    towards = "manipulated" if finding is Finding.MANIPULATED else "machine-made"
    return f"{word}, towards {towards if llr > 0 else 'authentic'}"


def effect(llr: float, finding: Finding = Finding.SYNTHETIC) -> str:
    """Return what a contribution (nats) does to the score: direction, strength and the factor on the odds.

    Example:
        >>> effect(1.5)
        'moderate, towards machine-made (odds × 4.5)'
    """
    if llr == 0:
        return "no effect on the score"
    factor = math.exp(min(abs(llr), 20.0))
    shown = f"{factor:.1f}" if factor < 10 else f"{factor:,.0f}"
    return f"{strength(llr, finding)} (odds {'×' if llr > 0 else '÷'} {shown})"


def score(value: float | None) -> str:
    """Return a score in [0, 1] with two decimals that never claims certainty (`<0.01`, `>0.99`)."""
    if value is None:
        return "none"
    if value < 0.01:
        return "<0.01"
    return ">0.99" if value > 0.99 else f"{value:.2f}"


def interval(value: Interval | None) -> str:
    """Return an interval of scores as `0.31 to 0.70`, empty when there is none."""
    return f"{score(value.low)} to {score(value.high)}" if value else ""


def signed(llr: float) -> str:
    """Return a log-likelihood ratio with its sign and a true minus; exact 0 has no sign."""
    return "0" if llr == 0 else f"{llr:+.2f}".replace("-", "−")


def file_size(size: int) -> str:
    """Return a number of bytes in decimal units.

    Example:
        >>> file_size(120_500)
        '120 kB'
    """
    if size < 1000:
        return f"{size} bytes"
    value, unit = size / 1000.0, "kB"
    for larger in ("MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000.0, larger
    return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"


def clock(seconds: float) -> str:
    """Return seconds as `1:02.5`, or `1:00:02.5` from an hour on."""
    tenths = round(max(seconds, 0.0) * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{head}:{rest / 10:04.1f}"


def media_line(media: MediaFacts) -> str:
    """Return what the file is in one line, from its bytes: `JPEG image, 512 x 512 pixels, 120 kB`."""
    parts = [f"{media.format.upper()} {media.kind}"]
    if media.width and media.height:
        parts.append(f"{media.width} × {media.height} pixels")
    if media.duration_s is not None:
        parts.append(clock(media.duration_s))
    if media.fps:
        parts.append(f"{media.fps:g} frames/s")
    if media.sample_rate_hz:
        parts.append(f"{media.sample_rate_hz:,} Hz")
    if media.channels and media.kind is MediaKind.AUDIO:
        parts.append("mono" if media.channels == 1 else f"{media.channels} channels")
    if media.codec:
        parts.append(media.codec)
    return ", ".join([*parts, file_size(media.bytes)])

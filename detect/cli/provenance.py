"""`witnessmark provenance FILE...`: only where files say they come from, without any model."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detect.cli.exits import ExitCode
from detect.cli.inputs import expand
from detect.cli.output import emit, text_width
from detect.errors import WitnessmarkError
from detect.provenance import ProvenanceSettings, disclosures, examine, examine_pixels, examine_waveform
from detect.text import clean_text
from detect.types import Evidence, MediaKind, Status

if TYPE_CHECKING:
    from detect.media import MediaSource

_HELP = """Read where files say they come from: Content Credentials, unsigned marks, hidden text, known files.

Needs no model and opens no socket. Nothing found is neutral: it says nothing about the origin.
"""

FilesArgument = Annotated[list[str], typer.Argument(metavar="FILES", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
LevelOption = Annotated[
    int, typer.Option("--level", min=1, max=4, help="1 at a glance, 2 who and what, 3 the whole tree, 4 all codes.")
]
TrustDirOption = Annotated[Path | None, typer.Option("--trust-dir", metavar="FOLDER", help="Folder of trust lists.")]
KnownOption = Annotated[
    Path | None, typer.Option("--known", metavar="FOLDER", help="Also look the file up in this index of known files.")
]
WatermarksOption = Annotated[
    bool, typer.Option("--watermarks", help="Also decode the media and look for invisible marks (slower).")
]
HostOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-host",
        metavar="HOST[:PORT]",
        help="Fetch credentials stored online from this host; without it nothing is fetched.",
    ),
]


@dataclass(frozen=True)
class Finding:
    """What was read of one file, or why it was not."""

    path: str
    facts: dict[str, Any]
    kind: MediaKind
    evidence: tuple[Evidence, ...]
    error: WitnessmarkError | None = None


def register(app: typer.Typer) -> None:
    """Add `provenance` to the command."""
    app.command("provenance", help=_HELP)(provenance)


def provenance(
    files: FilesArgument,
    is_json: JsonOption = False,
    level: LevelOption = 2,
    trust_dir: TrustDirOption = None,
    known: KnownOption = None,
    has_watermarks: WatermarksOption = False,
    allow_host: HostOption = None,
) -> None:
    """Read the provenance of the files that the arguments name."""
    settings = ProvenanceSettings(
        trust_dir=trust_dir, known_index=known, fetch_remote=bool(allow_host), allowed_hosts=tuple(allow_host or ())
    )
    has_failed = False
    with tempfile.TemporaryDirectory(prefix="witnessmark-") as spool:
        for number, source in enumerate(expand(files, spool=Path(spool))):
            finding = read_file(source.path, source.shown, settings, has_watermarks=has_watermarks)
            has_failed |= finding.error is not None
            if is_json:
                emit(json.dumps(to_dict(finding), ensure_ascii=False) + "\n")
            else:
                emit(("\n" if number else "") + to_text(finding, level=level))
    raise typer.Exit(ExitCode.ERROR if has_failed else ExitCode.OK)


def read_file(path: str, shown: str, settings: ProvenanceSettings, *, has_watermarks: bool) -> Finding:
    """Return what one file says about itself; a file that cannot be opened becomes a finding with an error."""
    from detect.media import open_source

    name = clean_text(shown, max_characters=4096)
    try:
        with open_source(path) as source:
            evidence = examine(source.path, kind=source.kind, format=source.format, settings=settings)
            if has_watermarks:
                evidence += _watermarks(source, settings)
            facts = {"sha256": source.sha256, "bytes": source.size, "kind": source.kind.value, "format": source.format}
            return Finding(name, facts, source.kind, evidence)
    except WitnessmarkError as error:
        return Finding(name, {}, MediaKind.UNKNOWN, (), error)


def to_dict(finding: Finding) -> dict[str, Any]:
    """Return the JSON-ready form: `path`, `media`, `evidence`, `disclosures`, `not_checkable`, `likely_marks`."""
    from detect.provenance.watermark.uncheckable import likely_marks, list_uncheckable
    from detect.serialize import to_plain

    if finding.error is not None:
        return {"path": finding.path, "error": {"code": finding.error.code, "message": clean_text(finding.error)}}
    return {
        "path": finding.path,
        "media": finding.facts,
        "evidence": to_plain(finding.evidence),
        "disclosures": disclosures(finding.evidence),
        "not_checkable": [mark.name for mark in list_uncheckable(finding.kind)],
        "likely_marks": list(likely_marks(finding.evidence)),
    }


def to_text(finding: Finding, *, level: int) -> str:
    """Return the finding in words, ending with a line feed."""
    from detect.provenance.watermark.uncheckable import likely_marks, list_uncheckable
    from detect.render.words import source_title

    lines = [finding.path]
    if finding.error is not None:
        return _block([*lines, f"  could not be read: {clean_text(finding.error)} [{finding.error.code}]"])
    facts = finding.facts
    lines.append(f"  {facts['format']} {facts['kind']}, {facts['bytes']} bytes, SHA-256 {facts['sha256'][:16]}…")
    for item in finding.evidence:
        lines.append(f"  {source_title(item.source)}: {_weight_words(item)}")
        lines += [f"    - {reason.text} [{reason.code}]" for reason in item.reasons]
        lines += _level_lines(item, level)
    shown = disclosures(finding.evidence)
    lines.append(f"  EU AI Act, Article 50: {shown['eu_art50']['marking'].replace('_', ' ')}")
    lines.append(f"  GB 45438: {shown['cn_gb45438']['label'].replace('_', ' ')}")
    likely = likely_marks(finding.evidence)
    if likely:
        lines.append(f"  Probably also marked with {', '.join(likely)}, which only its owner can check.")
    names = [mark.name for mark in list_uncheckable(finding.kind)]
    if names:
        lines.append(f"  Cannot be checked here: {', '.join(names)}")
    return _block(lines)


def _weight_words(item: Evidence) -> str:
    if item.status is not Status.SCORED:
        return {
            Status.NOT_APPLICABLE: "nothing found, which is neutral",
            Status.UNAVAILABLE: "could not be checked",
            Status.FAILED: "could not be read",
        }[item.status]
    if item.llr == 0:
        return "found, counts for nothing either way"
    side = "towards machine-made or manipulated" if item.llr > 0 else "towards authentic"
    return f"found, {abs(item.llr):.1f} nats {side}"


def _level_lines(item: Evidence, level: int) -> list[str]:
    from detect.render.levels import flat_lines, read_levels

    shown = read_levels(item)[: level if item.source == "provenance.c2pa" else min(level, 2)]
    return [f"      {name}: {value}" for one in shown for name, value in flat_lines(one.content)]


def _block(lines: Sequence[str]) -> str:
    import textwrap

    width = text_width()
    wrapped: list[str] = []
    for line in lines:
        text = clean_text(line, max_characters=4096)
        indent = " " * (len(line) - len(line.lstrip(" ")))
        wrapped += textwrap.wrap(
            text, width=max(40, width), initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False
        ) or [""]
    return "\n".join(wrapped) + "\n"


def _watermarks(source: MediaSource, settings: ProvenanceSettings) -> tuple[Evidence, ...]:
    """Return evidence that needs decoded media: invisible marks, and the look-up of look-alikes."""
    from detect.provenance.watermark import examine_with_plugins

    if source.kind is MediaKind.IMAGE:
        from detect.media.image import decode_image

        pixels = decode_image(source).pixels_rgb
        return (*examine_pixels(pixels, settings=settings), *examine_with_plugins(pixels, kind="image"))
    if source.kind is MediaKind.AUDIO:
        from detect.media.audio import decode_audio

        sound = decode_audio(source)
        wave, rate = sound.waveform, sound.sample_rate_hz
        return (
            *examine_waveform(wave, rate, settings=settings),
            *examine_with_plugins(wave, kind="audio", sample_rate_hz=rate),
        )
    return ()

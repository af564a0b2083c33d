"""`witnessmark sign-report`: publish a check inside a signed copy of the file, and read such a check back."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from detect.cli.exits import ExitCode
from detect.cli.output import emit, tell
from detect.errors import ConfigError
from detect.provenance.settings import ProvenanceSettings
from detect.text import clean_text

PASSWORD_VARIABLE = "WITNESSMARK_KEY_PASSWORD"  # noqa: S105 - the name of a variable, no password

_HELP = """Attach a Report to a copy of the file as a Content Credential, signed with your own certificate.

Without --report the file is judged first. With --read the Report that a file carries is shown instead, with who signed
it and whether anything changed since.
"""


def register(app: typer.Typer) -> None:
    """Add `sign-report` to the command."""
    app.command("sign-report", help=_HELP)(sign)


def sign(
    media: Annotated[Path, typer.Argument(metavar="FILE")],
    certificate: Annotated[
        Path | None, typer.Option("--cert", metavar="PEM", help="Certificate chain, the signer's first, no root.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="PEM", help=f"Private key; its password in {PASSWORD_VARIABLE}.")
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", metavar="JSON", help="The Report to attach.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where to write the copy.")] = None,
    is_sidecar: Annotated[bool, typer.Option("--sidecar", help="Write a .c2pa file beside the media instead.")] = False,
    time_stamp: Annotated[
        str | None, typer.Option("--time-stamp", metavar="URL", help="Ask this RFC 3161 authority for a time stamp.")
    ] = None,
    is_reading: Annotated[bool, typer.Option("--read", help="Show the Report that the file carries.")] = False,
    sidecar: Annotated[
        Path | None, typer.Option("--from", metavar="C2PA", help="With --read: take it from this sidecar.")
    ] = None,
    trust_dir: Annotated[Path | None, typer.Option("--trust-dir", metavar="FOLDER")] = None,
) -> None:
    """Sign a Report into a copy of the file, or read one back."""
    if is_reading:
        _read(media, sidecar, ProvenanceSettings(trust_dir=trust_dir))
        return
    if certificate is None or key is None:
        raise ConfigError("signing needs --cert and --key (or give --read)")
    from detect.media import open_source
    from detect.provenance.signing import Credentials, sign_report

    password = os.environ.get(PASSWORD_VARIABLE)
    credentials = Credentials(_bytes(certificate), _bytes(key), password.encode() if password else None)
    target = out or _default_target(media, is_sidecar=is_sidecar)
    with open_source(media) as source:
        sign_report(
            media,
            _load_report(report) if report else _judge(media),
            target,
            format=source.format,
            credentials=credentials,
            is_sidecar=is_sidecar,
            time_stamp_url=time_stamp,
        )
    emit(f"{clean_text(target)}\n")


def _read(media: Path, sidecar: Path | None, settings: ProvenanceSettings) -> None:
    from detect.media import open_source
    from detect.provenance.signing import read_report
    from detect.provenance.words import level_words

    with open_source(media) as source:
        found = read_report(source.path, format=source.format, sidecar=sidecar, settings=settings)
    if found is None:
        tell(f"{media}: carries no Witnessmark Report")
        raise typer.Exit(ExitCode.ERROR)
    tell(f"Signed by {found.signed_by} ({level_words(found.trust)}), {found.signed_at or 'no trusted time'}")
    tell("Report and file are unchanged since the signature." if found.is_intact else "CHANGED since the signature.")
    emit(json.dumps(found.report, ensure_ascii=False) + "\n")
    if not found.is_intact:
        raise typer.Exit(ExitCode.ERROR)


def _judge(media: Path) -> dict[str, Any]:
    from detect.analyzer import analyze
    from detect.serialize import report_to_dict

    return report_to_dict(analyze(media))


def _load_report(path: Path) -> dict[str, Any]:
    """Return the Report of a JSON file; of JSON Lines the only line."""
    try:
        found = json.loads(_bytes(path))
    except ValueError as error:
        raise ConfigError(f"{path} holds no single JSON Report: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path} holds no Report")
    return found


def _default_target(media: Path, *, is_sidecar: bool) -> Path:
    return media.with_suffix(".c2pa") if is_sidecar else media.with_name(f"{media.stem}.signed{media.suffix}")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error

"""`witnessmark known`: keep and search a local index of fakes and originals that somebody has checked."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detect.cli.exits import ExitCode
from detect.cli.inputs import Source, expand
from detect.cli.output import emit, tell
from detect.errors import MissingExtraError, WitnessmarkError
from detect.provenance.known.index import KnownFile, KnownIndex, KnownLabel, KnownMatch
from detect.provenance.known.pictures import PictureHash, hash_picture
from detect.provenance.known.sounds import fingerprint_sound
from detect.provenance.settings import user_data_dir
from detect.text import clean_text
from detect.types import MediaKind

if TYPE_CHECKING:
    from detect.media import MediaSource

app = typer.Typer(no_args_is_help=True, help="Keep and search a local index of known files.")

FilesArgument = Annotated[list[str], typer.Argument(metavar="FILES", show_default=False)]
IndexOption = Annotated[
    Path | None, typer.Option("--index", metavar="FOLDER", help="Folder of the index; the user's own if left out.")
]


@dataclass(frozen=True)
class Keys:
    """What a file is found by."""

    sha256: str
    pictures: tuple[PictureHash, ...] = ()
    sound: Any = None


def register(parent: typer.Typer) -> None:
    """Add `known` to the command."""
    parent.add_typer(app, name="known")


@app.command("add")
def add(
    files: FilesArgument,
    label: Annotated[KnownLabel, typer.Option("--as", help="What the files are known to be.")],
    source: Annotated[
        str, typer.Option("--source", help="Who found out, for example the address of a fact check.")
    ] = "",
    note: Annotated[str, typer.Option("--note", help="Anything else to show with a match.")] = "",
    index: IndexOption = None,
) -> None:
    """Add files to the index; a file that is there already is replaced."""
    has_failed = False
    with tempfile.TemporaryDirectory(prefix="witnessmark-") as spool, KnownIndex(_folder(index)) as known:
        for item in expand(files, spool=Path(spool)):
            keys = _keys_or_tell(item)
            if keys is None:
                has_failed = True
                continue
            entry = KnownFile(
                label, clean_text(Path(item.shown).name), keys.sha256, clean_text(source), clean_text(note)
            )
            known.add(entry, keys.pictures, sound=keys.sound)
            emit(f"added {label.value}: {clean_text(item.shown)} {_keys_words(keys)}\n")
        emit(f"{len(known)} files in the index {clean_text(_folder(index))}\n")
    if has_failed:
        raise typer.Exit(ExitCode.ERROR)


@app.command("match")
def match(
    files: FilesArgument,
    index: IndexOption = None,
    is_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Look files up in the index; exit with 3 when one matches a known fake."""
    has_failed, has_fake = False, False
    with (
        tempfile.TemporaryDirectory(prefix="witnessmark-") as spool,
        KnownIndex(_folder(index), create=False) as known,
    ):
        for item in expand(files, spool=Path(spool)):
            keys = _keys_or_tell(item)
            if keys is None:
                has_failed = True
                continue
            found = find(known, keys)
            has_fake |= any(one.file.label is KnownLabel.FAKE for one in found)
            emit(_json_line(item, found) if is_json else _lines(item, found))
    if has_fake:
        raise typer.Exit(ExitCode.FLAGGED)
    if has_failed:
        raise typer.Exit(ExitCode.ERROR)


def find(index: KnownIndex, keys: Keys) -> tuple[KnownMatch, ...]:
    """Return the matches by bytes, by pictures and by sound; an entry found by its bytes is named once."""
    exact = index.match_bytes(keys.sha256)
    found = [*index.match_pictures(keys.pictures)]
    if keys.sound is not None:
        found += index.match_sound(keys.sound)
    rest = [one for one in found if exact is None or one.file.sha256 != exact.file.sha256]
    return (exact, *rest) if exact is not None else tuple(rest)


def read_keys(path: str) -> Keys:
    """Return what a file is found by: its bytes always, its picture or sound where they can be decoded.

    Raises:
        WitnessmarkError: The file cannot be opened or decoded, or a key needs a missing extra.
    """
    from detect.media import open_source

    with open_source(path) as source:
        return _media_keys(source)


def _media_keys(source: MediaSource) -> Keys:
    if source.kind is MediaKind.IMAGE:
        from detect.media.image import decode_image

        return Keys(source.sha256, (hash_picture(decode_image(source).pixels_rgb),))
    if source.kind is MediaKind.AUDIO:
        from detect.media.audio import decode_audio

        sound = decode_audio(source)
        return Keys(source.sha256, sound=fingerprint_sound(sound.waveform, sound.sample_rate_hz))
    return Keys(source.sha256)


def _keys_or_tell(item: Source) -> Keys | None:
    try:
        return read_keys(item.path)
    except MissingExtraError:
        raise
    except WitnessmarkError as error:
        tell(f"{item.shown}: {error} [{error.code}]")
        return None


def _keys_words(keys: Keys) -> str:
    parts = ["bytes"]
    if any(item.is_usable for item in keys.pictures):
        parts.append("picture")
    if keys.sound is not None and len(keys.sound):
        parts.append("sound")
    return f"(found by {', '.join(parts)})"


def _lines(item: Source, found: Sequence[KnownMatch]) -> str:
    if not found:
        return f"{clean_text(item.shown)}: not in the index\n"
    return "".join(
        f"{clean_text(item.shown)}: {one.how} match with known {one.file.label.value} {clean_text(one.file.name)}"
        f" (distance {one.distance:g}) {clean_text(one.file.source)}".rstrip()
        + "\n"
        for one in found
    )


def _json_line(item: Source, found: Sequence[KnownMatch]) -> str:
    from detect.serialize import to_plain

    return json.dumps({"path": clean_text(item.shown), "matches": to_plain(tuple(found))}) + "\n"


def _folder(index: Path | None) -> Path:
    return index or user_data_dir() / "known"

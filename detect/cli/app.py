"""One table of commands, loaded one at a time: `witnessmark --help` imports none of them.

A command's module offers `register(app)`, which adds it to the given Typer application. What is not a command's name
is a file: `witnessmark photo.jpg` is `witnessmark analyze photo.jpg`.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from detect.cli import completion
from detect.cli.exits import EXIT_CODES_HELP, ExitCode
from detect.cli.output import OutputClosedError, tell
from detect.errors import ConfigError, MissingExtraError, WitnessmarkError

PROGRAM = "witnessmark"
DEFAULT_COMMAND = "analyze"


@dataclass(frozen=True)
class CommandRow:
    """Where a command lives, what `--help` says of it, and the extra that brings what it imports."""

    module: str
    summary: str
    extra: str = ""


COMMANDS = {
    "analyze": CommandRow("analyze", "Judge files; the word may be left out."),
    "models": CommandRow("models", "List, describe and verify the trained models."),
    "schema": CommandRow("schema", "Print the JSON schema of a Report."),
    "provenance": CommandRow("provenance", "Read only where files say they come from; needs no model."),
    "trust": CommandRow("trust", "Install and show C2PA trust lists."),
    "known": CommandRow("known", "Keep and search a local index of known files."),
    "sign-report": CommandRow("sign", "Attach a Report to a copy of the file, signed with your certificate."),
    "bench": CommandRow("bench", "Measure detectors on labelled files."),
    "calibrate": CommandRow("calibrate", "Fit scores to labelled files of your own."),
    "train": CommandRow("train", "Train a model from its recipe."),
    "serve": CommandRow("serve", "Run the HTTP API and the page.", extra="serve"),
    "keys": CommandRow("keys", "Create and revoke API keys.", extra="serve"),
    "scan": CommandRow("scan", "Judge millions of files into one table.", extra="scale"),
    "doctor": CommandRow("doctor", "Say what is installed, what is missing, and the line that mends it."),
}
_ROOT_OPTIONS = ("-h", "--help", "--version", completion.INSTALL, completion.SHOW)
_COMPLETES = f"_{PROGRAM.upper()}_COMPLETE"  # set by the script of a shell that wants to complete a line

_HELP = f"""Was this picture, clip or recording made by a machine? One authenticity score with its evidence, offline.

\b
  witnessmark photo.jpg                    a verdict in words
  witnessmark --json pictures/ '*.png'     one Report a line
  witnessmark --html report.html photo.jpg one page with the heat map

A first argument that is no command is a file, a folder, a pattern, or - for standard input; a file that is called
like a command is reached as ./NAME. The options of this main job are listed by: witnessmark analyze --help

The two options about completion also take the name of a shell: witnessmark --install-completion zsh

{EXIT_CODES_HELP}"""


def run(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code; never raises for what a user can cause."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal without UTF-8 shows ? instead of failing
            stream.reconfigure(errors="replace")
    routed = route(arguments)
    if _COMPLETES in os.environ:
        completion.add_left_out_word(os.environ, DEFAULT_COMMAND, is_left_out=lambda words: route(words) != list(words))
    try:
        if completion.names_shell(routed):
            return completion.offer_script(routed, program=PROGRAM)
        code = build_app(_wanted(routed))(args=routed, prog_name=PROGRAM, standalone_mode=False)
    except KeyboardInterrupt:  # while a command's module was loading
        return ExitCode.INTERRUPTED
    except typer.Abort as abort:
        return ExitCode.INTERRUPTED if isinstance(abort.__cause__, KeyboardInterrupt) else ExitCode.ERROR
    except OutputClosedError:
        return ExitCode.OUTPUT_CLOSED
    except WitnessmarkError as error:
        tell(f"{PROGRAM}: {error} [{error.code}]")
        return ExitCode.USAGE if isinstance(error, ConfigError) else ExitCode.ERROR
    except Exception as error:
        # Usage errors of Typer, whichever parser it is built on, know how to show themselves.
        if not hasattr(error, "show") or not hasattr(error, "exit_code"):
            raise
        error.show()
        return int(error.exit_code)
    if not arguments:
        return ExitCode.USAGE
    return code if isinstance(code, int) else ExitCode.OK


def route(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the word `analyze` put before what is a file; `--help` for no arguments.

    Example:
        >>> route(["photo.jpg", "--json"])
        ['analyze', 'photo.jpg', '--json']
    """
    if not arguments:
        return ["--help"]
    is_root = arguments[0].partition("=")[0] in _ROOT_OPTIONS
    return list(arguments) if is_root or arguments[0] in available() else [DEFAULT_COMMAND, *arguments]


def available() -> dict[str, CommandRow]:
    """Return the commands whose module is there, so that no other word shadows a file."""
    here = Path(__file__).parent
    return {name: row for name, row in COMMANDS.items() if (here / f"{row.module}.py").is_file()}


def build_app(wanted: str) -> typer.Typer:
    """Return the application with the wanted command loaded and all others as lines of the help.

    Raises:
        MissingExtraError: The wanted command needs a package that is not installed.
    """
    app = typer.Typer(
        name=PROGRAM,
        help=_HELP,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    rows = available()
    loaded = rows[wanted].module if wanted in rows else ""
    for name, row in rows.items():
        if name == wanted:
            _load(row).register(app)
        elif row.module != loaded:
            app.command(name, help=row.summary)(_placeholder)
    return app


def _load(row: CommandRow) -> ModuleType:
    try:
        return importlib.import_module(f"detect.cli.{row.module}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("detect", "api"):
            raise
        package = f"{PROGRAM}[{row.extra}]" if row.extra else PROGRAM
        raise MissingExtraError(
            f"this command needs {error.name}, which is not installed; install it with: pip install '{package}'"
        ) from error


def _wanted(routed: Sequence[str]) -> str:
    """Return the command to load: the first word, also of a line that a shell wants to complete."""
    words = route(completion.typed_words(os.environ)) if _COMPLETES in os.environ else routed
    return words[0] if words else ""


def _placeholder() -> None:
    """Stand in the help for a command that was not loaded."""


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        from detect import __version__

        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Hold what stands before any command."""

"""Completion by shells: print or install the script of a named shell, and complete the main job without its word.

Typer's own `--show-completion` takes no value: it prints the script of the shell that it was called from, and ignored
a name after it, so that `--show-completion zsh` in bash printed bash.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence

from detect.cli.exits import ExitCode
from detect.cli.output import emit, tell
from detect.errors import ConfigError

INSTALL = "--install-completion"
SHOW = "--show-completion"
_FIRST_TAB = """
if [ "$funcstack[1]" = "_{program}" ]; then
  _{program}_completion "$@"
fi
"""
"""zsh loads the installed file at the first Tab, when Typer's script only registers itself and completes nothing."""
SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")


def names_shell(arguments: Sequence[str]) -> bool:
    """Say whether the arguments are one of the two options with the name of a shell.

    Example:
        >>> names_shell(["--show-completion", "zsh"]), names_shell(["--show-completion"])
        (True, False)
    """
    option, _, value = arguments[0].partition("=") if arguments else ("", "", "")
    return option in (INSTALL, SHOW) and bool(value or arguments[1:])


def offer_script(arguments: Sequence[str], *, program: str) -> ExitCode:
    """Print or install the script of the named shell, as `names_shell` found it.

    Raises:
        ConfigError: Not a shell that is known here.
    """
    # Typer offers both under no public name; a test calls them, so that a release that moves them shows.
    from typer._completion_shared import get_completion_script, install

    option, _, value = arguments[0].partition("=")
    shell = value or arguments[1]
    if shell not in SHELLS:
        raise ConfigError(f"no completion for {shell}; choose one of: {', '.join(SHELLS)}")
    variable = f"_{program.upper()}_COMPLETE"
    tail = _FIRST_TAB.format(program=program) if shell == "zsh" else "\n"
    if option == SHOW:
        emit(get_completion_script(prog_name=program, complete_var=variable, shell=shell) + tail)
        return ExitCode.OK
    _, path = install(shell=shell, prog_name=program, complete_var=variable)
    with path.open("a", encoding="utf-8") as script:
        script.write(tail)
    tell(f"{program}: completion for {shell} is in {path}; it works in the next terminal")
    return ExitCode.OK


def typed_words(environment: MutableMapping[str, str]) -> list[str]:
    """Return the words after the program's name on the line that a shell wants to complete; the last may be begun."""
    return (environment.get("_TYPER_COMPLETE_ARGS") or environment.get("COMP_WORDS", "")).split()[1:]


def add_left_out_word(
    environment: MutableMapping[str, str], word: str, *, is_left_out: Callable[[Sequence[str]], bool]
) -> None:
    """Put the word of the main job into the line, so that its options complete after a file's name.

    A single word that is still being typed may become a command, and stays, unless it is an option.

    Args:
        environment: What the shell's script has set; changed in place.
        word: The word of the main job.
        is_left_out: Whether the words of a line lack it.
    """
    words = typed_words(environment)
    line = environment.get("_TYPER_COMPLETE_ARGS")
    if line is None:  # bash: the words, and which of them the cursor is in
        is_begun = int(environment.get("COMP_CWORD", "1") or 1) <= 1
    else:
        is_begun = len(words) == 1 and not line[-1:].isspace()
    if not words or not is_left_out(words) or (is_begun and not words[0].startswith("-")):
        return
    name = "COMP_WORDS" if line is None else "_TYPER_COMPLETE_ARGS"
    program, rest = environment[name].split(maxsplit=1)
    environment[name] = f"{program} {word} {rest}"
    if line is None:
        environment["COMP_CWORD"] = str(int(environment.get("COMP_CWORD", "1") or 1) + 1)

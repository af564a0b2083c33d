"""The exit codes of the command; scripts rely on them."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process says when it ends."""

    OK = 0
    ERROR = 1  # a file failed, or the run as a whole
    USAGE = 2  # an argument or a setting is wrong; nothing was done
    FLAGGED = 3  # a verdict named by --fail-on occurred; wins over ERROR
    INTERRUPTED = 130  # Ctrl-C, as shells report it
    OUTPUT_CLOSED = 141  # the reader of stdout went away, as shells report SIGPIPE


EXIT_CODES_HELP = (
    "Exit codes: 0 done; 1 a file could not be judged, or the run failed; 2 wrong arguments; "
    "3 a verdict named by --fail-on occurred (wins over 1); 130 interrupted."
)

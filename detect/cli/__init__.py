"""The command `witnessmark`: arguments in, calls of the library, words and exit codes out."""

from __future__ import annotations


def main() -> None:
    """Run the command with the process's arguments and exit with its code."""
    import sys

    from detect.cli.app import run

    sys.exit(run(sys.argv[1:]))

"""Reading and running the code blocks of documentation pages.

A fenced block of `python`, `sh` or `console` runs, in the order of its page, in one folder a page and one namespace a
page. A block that cannot run in a test has `<!-- not run: why -->` on the line before it.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import itertools
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from detect.cli.app import run

_FENCE = re.compile(
    r"(?:^<!-- not run: (?P<why>.+?) -->\n)?^```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^```", re.DOTALL | re.MULTILINE
)
RUNNABLE = ("python", "sh", "console")
_VARIABLE = re.compile(r"^[A-Z_]+=")


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    language: str
    code: str
    not_run: str
    line: int


def read_blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a page in their order."""
    return [
        Block(match["language"], match["code"], match["why"] or "", text[: match.start("code")].count("\n") + 1)
        for match in _FENCE.finditer(text)
    ]


def commands(block: Block) -> list[str]:
    """Return the command lines of a shell block: continuations joined, prompts, comments and output removed."""
    lines = block.code.replace("\\\n", " ").splitlines()
    if block.language == "console":
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    return [line for line in (_without_comment(line) for line in lines) if line]


def _without_comment(line: str) -> str:
    if line.lstrip().startswith("#"):
        return ""
    return re.sub(r"\s+#\s.*$", "", line).strip()


class Shell:
    """Runs command lines: `witnessmark ...` within this process, anything else by bash."""

    def __init__(self, *, replaced: dict[str, str] | None = None) -> None:
        self.variables: dict[str, str] = {}
        self._replaced = replaced or {}

    def call(self, line: str) -> int:
        """Run one line and return its exit code."""
        for old, new in self._replaced.items():
            line = line.replace(old, new)
        words = shlex.split(line)
        own = dict(word.split("=", 1) for word in itertools.takewhile(_VARIABLE.match, words))
        words = words[len(own) :]
        if not words:
            self.variables.update(own)
            return 0
        if words[0] == "witnessmark" and not {"|", "<"} & set(words):
            with mock.patch.dict(os.environ, own):
                return self._call_ours(words[1:])
        if words[:2] == ["pip", "install"] and words[2].startswith("./"):
            return self._install(words[2])
        done = subprocess.run(
            ["bash", "-c", line], env={**os.environ, **self.variables}, check=False, capture_output=True, timeout=120
        )
        if done.returncode:
            print(done.stderr.decode(errors="replace"), file=sys.stderr)
        return done.returncode

    def _install(self, folder: str) -> int:
        """Install a package into the page's own folder, which the page imports from; without network."""
        words = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", "."]
        done = subprocess.run([sys.executable, *words, folder], check=False, capture_output=True, timeout=120)
        print(done.stderr.decode(errors="replace"), file=sys.stderr)
        importlib.invalidate_caches()
        return done.returncode

    def _call_ours(self, words: list[str]) -> int:
        target = None
        if ">" in words:
            place = words.index(">")
            words, target = words[:place], words[place + 1]
        expanded: list[str] = []
        for word in words:
            found = sorted(map(str, Path().glob(word))) if "*" in word else []
            expanded += found or [word]
        held = io.StringIO()
        with contextlib.redirect_stdout(held):
            code = run(expanded)
        if target:
            Path(target).write_text(held.getvalue(), encoding="utf-8")
        return code


def run_page(text: str, *, name: str, shell: Shell) -> None:
    """Run every block of a page; a command may exit with 0, or with 3 (a finding), as the page says."""
    namespace: dict[str, object] = {"__name__": "__page__"}
    for block in read_blocks(text):
        if block.not_run or block.language not in RUNNABLE:
            continue
        if block.language == "python":
            exec(compile("\n" * block.line + block.code, name, "exec"), namespace)
            continue
        for line in commands(block):
            code = shell.call(line)
            assert code in (0, 3), f"{name}:{block.line}: exit {code}: {line}"
